/* cost.c - what a call costs, and the cost document.
 *
 *   usage of the answer ──────────────┐
 *   no usage: likely tokens, bounded ─┼─▶ x prices ─▶ cost_nanousd, list_cost_nanousd
 *   images: pixels or pieces ─────────┘
 *   the answer was lost: tokens at most ─▶ x prices ─▶ estimate_nanousd
 *
 * Products are 128 bits wide until the one division, so neither tokens nor
 * prices can overflow it; what does not fit 63 bits then is cut to the largest
 * number and flagged `estimated`.  list_cost_nanousd is the price without any discount: not for
 * tokens that the provider had cached, not for a batch, not for an answer out of our own cache.
 *
 * A price of a new kind (minutes of audio) is one more branch where images are
 * told from tokens, and a name for `unit`.
 */
#include "common/model/cost.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/json.h"
#include "common/model/tokens.h"

__extension__ typedef __int128 wide;

enum { MILLION = 1000000, SIDE_DEFAULT = 1024, SIDE_MAX = 1000000, IMAGES_MAX = 10000 };

static const struct {
    enum cost_flag flag;
    const char *name;
} flags[] = {
    {COST_CACHED, "cached"},           {COST_BATCH, "batch"},
    {COST_ESTIMATED, "estimated"},     {COST_UNPRICED, "unpriced"},
    {COST_UNCONFIRMED, "unconfirmed"}, {COST_DUPLICATE, "duplicate"},
    {COST_FAILED, "failed"},
};

const char *cost_flag_name(enum cost_flag f)
{
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (flags[i].flag == f)
            return flags[i].name;
    return "unknown";
}

unsigned cost_flag_of(struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (span_is(name, flags[i].name))
            return flags[i].flag;
    return 0;
}

/* ---- multiplying money ---- */

/* A millionth of a sum, rounded half up: the one place where money is rounded, and cut. */
static int64_t per_million(wide sum)
{
    wide rounded = (sum + MILLION / 2) / MILLION;

    return rounded > INT64_MAX ? INT64_MAX : (int64_t)rounded;
}

/* What was cut is no sum of a bill. */
static unsigned cut_flag(int64_t nanousd) { return nanousd == INT64_MAX ? COST_ESTIMATED : 0; }

/* count x price; an unknown price counts as 0, and is told when it would have mattered. */
static wide product(int64_t count, int64_t price, bool *unpriced)
{
    if (price >= 0)
        return (wide)count * price;
    if (count > 0)
        *unpriced = true;
    return 0;
}

int64_t cost_of_tokens(const struct model *m, int64_t prompt, int64_t cached, int64_t completion,
                       bool *unpriced)
{
    int64_t cached_price;
    wide sum;

    *unpriced = !m;
    if (!m)
        return 0;
    prompt = clamp64(prompt, 0, INT64_MAX);
    cached = clamp64(cached, 0, prompt);
    completion = clamp64(completion, 0, INT64_MAX);
    cached_price = m->cached_nanousd >= 0 ? m->cached_nanousd : m->in_nanousd;
    sum = product(prompt - cached, m->in_nanousd, unpriced) +
          product(cached, cached_price, unpriced) + product(completion, m->out_nanousd, unpriced);
    return per_million(sum);
}

/* A model that writes no text, as far as is known, has 0 where a price of text cannot be
 * (model_fill_impossible).  Called for text all the same, because a job names it, that is no price:
 * then *as is the model without it. */
static const struct model *priced_for(const struct model *m, unsigned task, struct model *as)
{
    const unsigned texts = TASK_CHAT | TASK_CODE | TASK_COMPLETION;

    if (!m || !(task & texts) || !m->tasks || (m->tasks & texts))
        return m;
    *as = *m;
    if (as->out_nanousd == 0)
        as->out_nanousd = -1;
    if (as->tasks == TASK_IMAGE && as->in_nanousd == 0)
        as->in_nanousd = -1;
    return as;
}

/* ---- images ---- */

static int64_t read_count(struct span v, int64_t def, int64_t max)
{
    int64_t n;

    return json_read_int(v, &n) && n > 0 ? clamp64(n, 1, max) : def;
}

/* Price of the images that a body asks for (or that came, when `came` is not 0), and their units.
 */
static int64_t price_images(struct cost *c, const struct model *m, struct span body, int64_t came)
{
    struct span width = {0}, height = {0}, n = {0};
    const struct json_want wants[] = {{"width", &width}, {"height", &height}, {"n", &n}};
    int64_t count, pixels;

    if (!body.p || !json_pick(body.p, body.n, wants, ARRAY_LEN(wants)))
        width = height = n = (struct span){0};
    count = came > 0 ? clamp64(came, 1, IMAGES_MAX) : read_count(n, 1, IMAGES_MAX);
    pixels = read_count(width, SIDE_DEFAULT, SIDE_MAX) *
             read_count(height, SIDE_DEFAULT, SIDE_MAX) * count;
    c->unit = "images";
    c->units = count;
    if (!m || m->image_unit == IMAGE_NONE || m->image_nanousd < 0) {
        c->flags |= COST_UNPRICED;
        return 0;
    }
    if (m->image_unit == IMAGE_PIECE)
        return per_million((wide)count * m->image_nanousd * MILLION);
    c->unit = "megapixels";
    c->units = (pixels + 500) / 1000;
    return per_million((wide)pixels * m->image_nanousd);
}

/* ---- one call ---- */

/* Nobody says what was used: what is likely, and no more than was set aside for it. */
static void estimate_tokens(struct cost *c, const struct model *m, unsigned task, struct span body,
                            struct span answer)
{
    int64_t prompt, completion;

    tokens_at_most(task, body, m ? m->context : 0, &prompt, &completion);
    c->flags |= COST_ESTIMATED;
    c->prompt_tokens = min64(tokens_of_request(task, body), prompt);
    c->completion_tokens = min64(tokens_of_answer(answer), completion);
}

void cost_of_answer(struct cost *ret, const struct model *m, unsigned task, struct span body,
                    const struct usage *u, struct span answer)
{
    struct model as;
    bool unpriced;

    *ret = (struct cost){0};
    m = priced_for(m, task, &as);
    if (task & TASK_IMAGE) {
        ret->cost_nanousd = ret->list_cost_nanousd = price_images(ret, m, body, u->images);
        ret->flags |= cut_flag(ret->cost_nanousd);
        return;
    }
    if (u->there) {
        ret->prompt_tokens = clamp64(u->prompt_tokens, 0, INT64_MAX);
        ret->completion_tokens = clamp64(u->completion_tokens, 0, INT64_MAX);
        ret->cached_tokens = clamp64(u->cached_tokens, 0, ret->prompt_tokens);
        ret->flags |= u->estimated ? COST_ESTIMATED : 0U;
    } else {
        estimate_tokens(ret, m, task, body, answer);
    }
    ret->cost_nanousd = cost_of_tokens(m, ret->prompt_tokens, ret->cached_tokens,
                                       ret->completion_tokens, &unpriced);
    ret->flags |= cut_flag(ret->cost_nanousd) | (unpriced ? COST_UNPRICED : 0U);
    ret->list_cost_nanousd =
        cost_of_tokens(m, ret->prompt_tokens, 0, ret->completion_tokens, &unpriced);
}

void cost_add(struct cost *c, const struct cost *more)
{
    c->prompt_tokens = add64(c->prompt_tokens, more->prompt_tokens);
    c->completion_tokens = add64(c->completion_tokens, more->completion_tokens);
    c->cached_tokens = add64(c->cached_tokens, more->cached_tokens);
    c->cost_nanousd = add64(c->cost_nanousd, more->cost_nanousd);
    c->list_cost_nanousd = add64(c->list_cost_nanousd, more->list_cost_nanousd);
    c->estimate_nanousd = add64(c->estimate_nanousd, more->estimate_nanousd);
    c->flags |= more->flags | cut_flag(c->cost_nanousd);
}

void cost_of_lost(struct cost *ret, const struct model *m, unsigned task, struct span body)
{
    int64_t prompt, completion;
    struct model as;
    bool unpriced;

    *ret = (struct cost){.flags = COST_UNCONFIRMED};
    m = priced_for(m, task, &as);
    if (task & TASK_IMAGE) {
        ret->estimate_nanousd = price_images(ret, m, body, 0);
        return;
    }
    tokens_at_most(task, body, m ? m->context : 0, &prompt, &completion);
    ret->estimate_nanousd = cost_of_tokens(m, prompt, 0, completion, &unpriced);
    if (unpriced)
        ret->flags |= COST_UNPRICED;
}

/* ---- a job ---- */

void cost_job_facts(const struct job *job, unsigned *ret_task, struct span *ret_body,
                    struct span *ret_model)
{
    struct span task = {0}, body = {0}, model = {0};
    const struct json_want wants[] = {{"task", &task}, {"body", &body}, {"model", &model}};

    *ret_task = 0;
    *ret_body = job->payload;
    *ret_model = (struct span){0};
    if (!job->payload.p || !json_pick(job->payload.p, job->payload.n, wants, ARRAY_LEN(wants)))
        return;
    *ret_task = task.p ? task_of(json_unquoted(task).p, json_unquoted(task).n) : TASK_CHAT;
    if (body.n && *body.p == '{') {
        *ret_body = body;
        *ret_model = json_unquoted(json_at(body, "model"));
    }
    if (!ret_model->n)
        *ret_model = json_unquoted(model);
}

/* The row of a model whose name has its escapes ("Qwen\/Qwen3.5-9B") yet. */
static const struct model *find_escaped(const struct model_table *models, struct span name)
{
    char raw[1024], text[512];
    int n;

    if (name.n && !memchr(name.p, '\\', name.n))
        return model_find(models, name.p, name.n);
    if (!name.n || name.n + 3 > sizeof(raw))
        return NULL;
    n = snprintf(raw, sizeof(raw), "\"%.*s\"", (int)name.n, name.p);
    if (!json_read_text((struct span){raw, (size_t)n}, text, sizeof(text)))
        return NULL;
    return model_find(models, text, strlen(text));
}

bool cost_of_lost_job(struct cost_event *ret, const char *id, const struct record *rec,
                      const struct job *job, const struct model_table *models, int64_t now_ms)
{
    const struct model *m;
    struct span body, name;
    unsigned task;

    if (!(job_type_flags(rec->type) & JOB_CALLS))
        return false;
    cost_job_facts(job, &task, &body, &name);
    m = name.n ? find_escaped(models, name) : model_default(models, (enum task_bit)task);
    *ret = (struct cost_event){
        .job_id = id,
        .attempt = rec->attempts + 1,
        .type = rec->type,
        .tenant = job->tenant,
        .tags = job->tags,
        .provider = m ? m->provider : NULL,
        .model = m ? (struct span){m->id, strlen(m->id)} : name,
        .requested_model = m && name.n ? (struct span){m->id, strlen(m->id)} : name,
        .at_ms = now_ms,
    };
    cost_name_event(ret, rec, 0);
    cost_of_lost(&ret->cost, m, task, body);
    return true;
}

/* ---- names ---- */

void cost_add_call(struct buf *b, const struct record *held, int attempt, int n)
{
    buf_int(b, held->run);
    buf_putc(b, ':');
    buf_int(b, attempt);
    buf_putc(b, ':');
    buf_int(b, held->tnum);
    buf_putc(b, '-');
    buf_puts(b, held->token);
    buf_putc(b, '.');
    buf_int(b, n);
}

void cost_name_event(struct cost_event *e, const struct record *held, int n)
{
    struct buf name = BUF_ON(e->event_id);

    buf_puts(&name, e->job_id);
    buf_putc(&name, ':');
    cost_add_call(&name, held, e->attempt, n);
}

/* ---- the document ---- */

static void add_text(struct buf *out, const char *name, struct span text)
{
    json_add_key(out, name);
    if (text.n)
        json_add_string(out, text.p, text.n);
    else
        buf_puts(out, "null");
}

/* {"megapixels": 1.049}, or null where tokens apply. */
static void add_units(struct buf *out, const struct cost *c)
{
    json_add_key(out, "units");
    if (!c->unit)
        buf_puts(out, "null");
    else if (strcmp(c->unit, "megapixels") != 0)
        buf_printf(out, "{\"%s\":%" PRId64 "}", c->unit, c->units);
    else
        buf_printf(out, "{\"%s\":%" PRId64 ".%03d}", c->unit, c->units / 1000,
                   (int)(c->units % 1000));
}

void cost_read_units(struct span units, struct cost *ret)
{
    struct json_iter it;
    double number;

    if (!units.n || !json_iter_init(&it, units.p, units.n) || !json_next(&it) ||
        !json_read_double(it.value, &number) || number < 0 || number > 1e12)
        return;
    ret->unit = span_is(it.key, "megapixels") ? "megapixels" : "images";
    ret->units = (int64_t)(number * (*ret->unit == 'm' ? 1000 : 1) + 0.5);
}

static void add_flags(struct buf *out, unsigned set)
{
    const char *comma = "";

    json_add_key(out, "flags");
    buf_putc(out, '[');
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (set & (unsigned)flags[i].flag) {
            buf_printf(out, "%s\"%s\"", comma, flags[i].name);
            comma = ",";
        }
    buf_putc(out, ']');
}

void cost_write(const struct cost_event *e, struct buf *out)
{
    const char *root = e->root_id ? e->root_id : e->job_id;
    char time[25];

    buf_putc(out, '{');
    json_add_str(out, "event_id", e->event_id);
    json_add_str(out, "job_id", e->job_id);
    add_text(out, "root_id", (struct span){root, e->root_id ? strlen(root) : strcspn(root, "~")});
    json_add_int(out, "attempt", e->attempt);
    json_add_str(out, "type", job_type_name(e->type));
    json_add_raw(out, "tenant", e->tenant);
    json_add_raw(out, "tags", e->tags);
    json_add_str(out, "provider", e->provider);
    add_text(out, "model", e->model);
    add_text(out, "requested_model", e->requested_model);
    json_add_int(out, "prompt_tokens", e->cost.prompt_tokens);
    json_add_int(out, "completion_tokens", e->cost.completion_tokens);
    json_add_int(out, "cached_tokens", e->cost.cached_tokens);
    add_units(out, &e->cost);
    json_add_int(out, "cost_nanousd", e->cost.cost_nanousd);
    json_add_usd(out, "cost_usd", e->cost.cost_nanousd);
    json_add_int(out, "list_cost_nanousd", e->cost.list_cost_nanousd);
    json_add_int(out, "estimate_nanousd", e->cost.estimate_nanousd);
    add_flags(out, e->cost.flags);
    json_add_str(out, "timestamp", clock_rfc3339(e->at_ms, time));
    buf_putc(out, '}');
}
