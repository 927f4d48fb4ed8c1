/* inference_cache.c - the CACHE step: an earlier answer, or an equal call that is under way.
 *
 *   may it be kept? ── no ──────────────────────────────────────────▶ the next step
 *        │ yes: keys (one; of an embedding one per different text)
 *   share_join ──HIT──▶ done: cached, cost 0, list_cost what it saved
 *        ├──LEAD, ALONE──▶ the next step (of an embedding: with the texts that are not known)
 *        │               ALONE, and another model answered: once more under that model, if the
 *        │               job may take it
 *        └──BACK──▶ postponed
 *
 * The outcome of a call is in inference_keep.c.
 *
 * The cache serves requests with temperature 0, embeddings, and jobs with `allow_cached: true`.  A
 * streamed request has the same key as a plain one and gets the whole answer; but not with
 * `logprobs`, which streams do not keep.  tool_calls are an answer like any other: the client runs
 * the tool, once per answer that it gets.
 *
 * The model in the key is the requested one.  The answer of a fallback is kept under the name of the
 * fallback.  So a job that names its model never gets the answer of another one, unless the provider
 * itself substitutes it.
 */
#include "worker/inference/inference_cached.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/xalloc.h"

enum { KEY_BYTES = 4096, REASON_BYTES = 64 };

/* ---- may it be kept? ---- */

static bool is_zero(struct span v)
{
    double d;

    return json_read_double(v, &d) && d == 0;
}

static bool may_keep(const struct run *r)
{
    const struct inference *i = r->state;
    bool said;

    if (json_read_bool(i->req.parts.allow_cached, &said))
        return said;
    return i->req.task == TASK_EMBEDDING || is_zero(i->req.parts.temperature);
}

static void free_keys(struct inference_cached *c)
{
    for (size_t k = 0; k < c->n; k++)
        free(c->keys[k]);
    free(c->keys);
    free(c->name);
    free(c->model);
    c->keys = NULL;
    c->name = c->model = NULL;
    c->n = 0;
}

static void free_cached(struct inference_cached *c)
{
    share_leave(&c->sharer);
    free_keys(c);
    embed_done(&c->texts);
    buf_done(&c->asked);
    found_drop(&c->found);
    entry_drop(&c->answer);
    free(c);
}

char *inference_cache_key(const struct run *r, struct span model, const char *hash)
{
    const struct inference_cached *c = ((const struct inference *)r->state)->cached;
    struct buf b = BUF(KEY_BYTES + 3 * model.n + 3 * r->job.tenant.n);

    cache_key(&b, r->p->env.keys.root, c->kind, r->job.tenant, model, hash);
    return buf_take(&b);
}

/* All keys, for a model. */
static void make_keys(struct run *r, struct inference_cached *c, struct span model)
{
    char *whole = inference_cache_key(r, model, c->hash);

    free_keys(c);
    c->model = xstrndup(model.p, model.n);
    c->name = xstrdup(whole + strlen(r->p->env.keys.root));
    c->n = c->kind == CACHE_EMBED ? c->texts.unique : 1;
    c->keys = xcalloc(c->n, sizeof *c->keys);
    if (c->kind == CACHE_EMBED)
        for (size_t k = 0; k < c->n; k++)
            c->keys[k] = inference_cache_key(r, model, c->texts.text[k].hash);
    else
        c->keys[0] = TAKE(whole);
    free(whole);
}

/* The request asks for something that the answer of a stream lacks (together/stream.c). */
static bool stream_loses(const struct run *r)
{
    const struct inference *i = r->state;
    struct span logprobs =
        i->req.stream ? json_at(buf_span(&i->req.body), "logprobs") : (struct span){NULL, 0};
    bool on;

    return !json_absent(logprobs) && !is_zero(logprobs) && !(json_read_bool(logprobs, &on) && !on);
}

/* False: it has no canonical form. */
static bool prepare_cached(struct run *r)
{
    struct inference *i = r->state;
    struct span validate = i->req.parts.validate; /* makes it another question */
    struct inference_cached *c = i->cached = xcalloc(1, sizeof *c);
    struct buf path = BUF(validate.n + 256);
    bool ok;

    c->run = r;
    c->sharer.arg = c;
    c->kind = i->req.task == TASK_EMBEDDING ? CACHE_EMBED : CACHE_INFER;
    buf_puts(&path, i->req.path);
    if (stream_loses(r))
        buf_puts(&path, "#stream");
    if (validate.p)
        buf_puts(&path, "#");
    buf_add_span(&path, validate);
    ok = canonical_hash(i->req.task, path.p, buf_span(&i->req.body), (struct span){0}, c->hash) &&
         (c->kind != CACHE_EMBED || embed_read(i->req.path, buf_span(&i->req.body), &c->texts));
    buf_done(&path);
    if (ok)
        make_keys(r, c, i->req.model);
    else
        free_cached(TAKE(i->cached));
    return ok;
}

void inference_cache_free(struct run *r)
{
    struct inference *i = r->state;

    if (i->cached)
        free_cached(TAKE(i->cached));
}

/* ---- a hit ---- */

/* A cost event with what the call would have cost today. */
void inference_tell_saved(struct run *r, const struct entry *e)
{
    struct inference *i = r->state;
    const struct route *route = routes_find_at(r->p->routes, e->provider, e->model.p, e->model.n);
    const struct model *m = route ? &route->model : i->model;
    const struct usage *u = &e->usage;
    struct run_call call;
    struct cost cost = {.prompt_tokens = u->prompt_tokens,
                        .completion_tokens = u->completion_tokens,
                        .cached_tokens = u->cached_tokens};
    bool unpriced = false;

    if (i->req.task == TASK_IMAGE)
        cost_of_answer(&cost, m, i->req.task, buf_span(&i->req.body), u, e->body);
    else
        cost.list_cost_nanousd =
            cost_of_tokens(m, u->prompt_tokens, 0, u->completion_tokens, &unpriced);
    cost.cost_nanousd = 0;
    cost.flags |= COST_CACHED | (unpriced ? COST_UNPRICED : 0U);
    if (!u->there && i->req.task != TASK_IMAGE)
        cost.flags |= COST_ESTIMATED;
    call = inference_call(i);
    call.provider = e->provider;
    if (e->model.n)
        call.model = e->model;
    run_cost(r, &cost, &call, NULL);
}

/* The tokens of what was found, together. */
struct usage inference_sum_usage(const struct found *found)
{
    struct usage sum = {.there = true};

    for (size_t k = 0; k < found->n; k++) {
        const struct entry *e = found->each[k];

        if (!e)
            continue;
        sum.there = sum.there && e->usage.there;
        sum.prompt_tokens = add64(sum.prompt_tokens, e->usage.prompt_tokens);
    }
    return sum;
}

/* The answer to an embedding all of whose texts are known. */
static struct entry *join_known(const struct inference_cached *c, const struct found *found)
{
    const struct entry *first = found->each[0];
    struct entry facts = {.model = first->model,
                          .provider = first->provider,
                          .usage = inference_sum_usage(found),
                          .stored_ms = first->stored_ms};
    struct buf usage = BUF(256), body = BUF(ENTRY_MAX_BYTES);
    struct entry *whole = NULL;

    if (facts.usage.there)
        buf_printf(&usage, "{\"prompt_tokens\":%lld,\"total_tokens\":%lld}",
                   (long long)facts.usage.prompt_tokens, (long long)facts.usage.prompt_tokens);
    embed_join(&c->texts, found, (struct span){NULL, 0}, first->model, buf_span(&usage), &body);
    if (!buf_failed(&body)) {
        facts.body = buf_span(&body);
        whole = entry_new(&facts);
    }
    buf_done(&usage);
    buf_done(&body);
    return whole;
}

/* The whole answer, made once for all runs that wait for it. */
static struct entry *whole_of(const struct inference_cached *c, struct found *found)
{
    if (!found->whole)
        found->whole = c->kind == CACHE_EMBED ? join_known(c, found) : entry_use(found->each[0]);
    return found->whole;
}

static void call_for(struct run *r, const struct found *found);

static void use_answer(struct run *r, struct found *found)
{
    struct inference *i = r->state;
    struct entry *e;

    if (i->cached->kind == CACHE_EMBED && embed_is_mixed(found)) {
        call_for(r, found);
        return;
    }
    e = whole_of(i->cached, found);
    if (!e || !inference_fits(r, e->body)) { /* too large together, or not the JSON asked for */
        call_for(r, NULL);
        return;
    }
    i->cached->answer = e = entry_use(e);
    inference_tell_saved(r, e);
    r->cached = true;
    r->model = e->model.n ? e->model : i->req.model;
    r->provider = e->provider;
    r->usage = e->usage;
    run_done(r, e->body);
}

/* ---- the words of the share ---- */

static void join_share(struct run *r);

/* The body of an embedding is replaced by one with the unknown texts, each once. */
static void call_for(struct run *r, const struct found *found)
{
    struct inference *i = r->state;
    struct inference_cached *c = i->cached;
    struct buf body = BUF(i->req.body.n + 64);

    c->found = found_copy(found, c->n);
    if (c->kind == CACHE_EMBED)
        embed_unmix(c->found);
    if (c->kind == CACHE_EMBED && (c->found->known > 0 || c->texts.unique < c->texts.n)) {
        embed_ask(&c->texts, buf_span(&i->req.body), c->found, &body);
        c->asked = i->req.body; /* the texts are there */
        i->req.body = body;
    }
    run_next(r);
}

/* A job may have the answers of the models that it could be sent to. */
static bool may_take(const struct run *r, const char *model)
{
    const struct inference *i = r->state;
    size_t n = strlen(model);

    for (size_t k = 0; k < i->routes.count; k++)
        if (i->routes.of[k].name.n == n && !memcmp(i->routes.of[k].name.p, model, n))
            return true;
    return false;
}

/* Another model answered an equal call.  False: the run may not take that one's answer. */
static bool look_elsewhere(struct run *r, const char *model)
{
    struct inference *i = r->state;
    struct inference_cached *c = i->cached;

    if (!model || c->moved || !may_take(r, model))
        return false;
    c->moved = true;
    make_keys(r, c, (struct span){model, strlen(model)});
    join_share(r);
    return true;
}

static bool inference_cache_waits(struct sharer *s)
{
    const struct inference_cached *c = s->arg;

    return run_release_slot(c->run, RUN_WAITS_LONG);
}

static void inference_cache_on_word(struct sharer *s, enum share_word word,
                                    const struct share_news *news)
{
    const struct inference_cached *c = s->arg;
    struct run *r = c->run;
    RUN_SCOPE(r);

    switch (word) {
    case SHARE_HIT: use_answer(r, news->found); break;
    case SHARE_LEAD: call_for(r, news->found); break;
    case SHARE_ALONE:
        if (!look_elsewhere(r, news->model))
            call_for(r, news->found);
        break;
    case SHARE_BACK: run_postpone_once(r, news->in_ms, run_progress(r)); break;
    }
}

/* Budgets depend on the tags; rates and routes on the queue and on the models that the job names. */
void inference_cache_reason(const struct run *r, bool for_money, char text[INFERENCE_REASON])
{
    const struct inference *i = r->state;
    struct span named = i->req.named, fallbacks = i->req.parts.fallbacks;
    struct buf b = BUF(r->job.tags.n + named.n + fallbacks.n + REASON_BYTES);

    if (for_money) {
        buf_add_span(&b, r->job.tags);
    } else {
        buf_printf(&b, "%d %zu ", (int)r->held.queue, named.n);
        buf_add_span(&b, named);
        buf_add_span(&b, fallbacks);
    }
    text[0] = for_money ? '$' : '-';
    digest_text(buf_span(&b), text + 1);
    buf_done(&b);
}

static bool inference_cache_concerns(const struct sharer *s, const char *reason)
{
    const struct inference_cached *c = s->arg;
    char own[INFERENCE_REASON];

    inference_cache_reason(c->run, *reason == '$', own);
    return !strcmp(reason, own);
}

const struct share_ops inference_share_ops = {inference_cache_waits, inference_cache_on_word,
                                              inference_cache_concerns};

/* Twice the time of a call to each route: the leader may have to wait for its turn, or may fail and
 * be followed by another one. */
static int64_t patience_ms(const struct run *r)
{
    const struct inference *i = r->state;
    int64_t call_ms = i->req.stream ? r->p->env.cfg->limits_stream_max_ms : r->job.timeout_ms;

    return 2 * call_ms * (int64_t)i->routes.count;
}

static void join_share(struct run *r)
{
    struct inference *i = r->state;
    struct inference_cached *c = i->cached;
    int64_t later = share_join(r->p->shares, &c->sharer, c->name, (const char *const *)c->keys,
                               c->n, patience_ms(r));

    if (later > 0)
        run_postpone_once(r, later, run_progress(r));
}

/* ---- the step ---- */

void inference_cache(struct run *r)
{
    if (r->p->env.cfg->cache_enabled && may_keep(r) && prepare_cached(r))
        join_share(r);
    else
        run_next(r);
}

void inference_cache_abort(struct run *r)
{
    struct inference *i = r->state;

    if (i->cached)
        share_leave(&i->cached->sharer);
}
