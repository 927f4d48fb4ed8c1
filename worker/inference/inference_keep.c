/* inference_keep.c - the outcome of a call whose answer others may have, and wait for (share.h).
 *
 *   a good answer ──fit?── yes ──▶ kept in Redis (not one cut at max_tokens); the others get it
 *                            └─ no ──▶ the others call for themselves
 *   a failure of the job itself ─────▶ the next one calls; after some failures each for itself
 *   postponed, parked ───────────────▶ those that would wait for the same reason are postponed; if
 *                                      there is another one, it calls
 *   not the JSON asked for ──────────▶ the next one calls, some times
 *   requeued, cancelled ─────────────▶ the next one calls
 *
 * The answer to an embedding that asked for some of its texts is completed with the known ones.  A
 * call that fell back to another route asked for all texts, as vectors of two models do not go
 * together; the number of elements shows which it was.  When the provider substituted another model
 * for the one whose vectors are known, all texts are asked for again.
 */
#include "worker/inference/inference_cached.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/json.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"

/* Equal calls that fail one after the other before all are made in parallel. */
enum { FAILURES = 2 };

/* With these finish reasons it is no answer for others... */
static const char *const unfit[] = {"error", "content_filter"};
/* ... and with this one only for those that wait: it is not kept, unless cache.length is set. */
static const char *const cut[] = {"length"};

/* Has any of the choices such a reason? */
static bool ends_for(struct span body, const char *const *reasons, size_t count)
{
    struct span choices = json_at(body, "choices");
    struct json_iter it;

    if (!json_iter_init(&it, choices.p, choices.n))
        return false;
    while (json_next(&it)) {
        struct span reason = json_at(it.value, "finish_reason");

        for (size_t k = 0; k < count; k++)
            if (json_equals(reason, reasons[k]))
                return true;
    }
    return false;
}

/* The others get the answer, or the name of the other model that it is kept under. */
static void answer_sharers(struct run *r, struct span model, struct entry *e)
{
    struct inference_cached *c = ((struct inference *)r->state)->cached;
    char *name;

    if (span_is(model, c->model)) {
        share_answer(&c->sharer, e);
        return;
    }
    name = xstrndup(model.p, model.n);
    share_moved(&c->sharer, name);
    free(name);
}

/* ---- one answer ---- */

static void keep_answer(struct run *r, struct span model, const struct entry *facts)
{
    struct inference_cached *c = ((struct inference *)r->state)->cached;
    struct entry *e;
    char *key;

    if (ends_for(facts->body, unfit, ARRAY_LEN(unfit))) {
        share_failed(&c->sharer);
        return;
    }
    e = entry_new(facts);
    key = inference_cache_key(r, model, c->hash);
    if (r->p->env.cfg->cache_length || !ends_for(facts->body, cut, ARRAY_LEN(cut)))
        cache_keep(r->p->cache, CACHE_INFER, key, e);
    answer_sharers(r, model, e);
    free(key);
    entry_drop(&e);
}

/* ---- embeddings ---- */

/* Elements of an answer, and which of the different texts they are. */
struct elements {
    size_t n;
    size_t *which;
    struct span *raw;
    bool part; /* only those that were unknown */
};

static void elements_done(struct elements *l)
{
    free(l->which);
    free(l->raw);
}

/* The answer to the list as it stood: the first element of each different text. */
static bool read_whole(const struct embed *texts, struct span answer, struct elements *l)
{
    struct span *all = xcalloc(texts->n, sizeof *all);
    bool ok = embed_split(answer, all, texts->n);

    l->n = 0;
    for (size_t t = 0; ok && t < texts->n; t++)
        if (texts->slot[t] == l->n) { /* slots are in the order of first places */
            l->which[l->n] = l->n;
            l->raw[l->n++] = all[t];
        }
    free(all);
    return ok;
}

static bool read_elements(const struct inference_cached *c, struct span answer, struct elements *l)
{
    *l = (struct elements){.which = xcalloc(c->texts.unique, sizeof *l->which),
                           .raw = xcalloc(c->texts.unique, sizeof *l->raw)};
    for (size_t k = 0; k < c->texts.unique; k++)
        if (!c->found->each[k])
            l->which[l->n++] = k;
    l->part = l->n < c->texts.n && embed_split(answer, l->raw, l->n);
    return l->part || read_whole(&c->texts, answer, l);
}

/* Each under its own key, with its share of tokens and price. */
static void keep_elements(struct run *r, struct span model, const struct entry *facts,
                          const struct elements *l)
{
    struct inference_cached *c = ((struct inference *)r->state)->cached;
    struct span *texts = xcalloc(l->n, sizeof *texts);
    int64_t *tokens = xcalloc(l->n, sizeof *tokens), *prices = xcalloc(l->n, sizeof *prices);

    for (size_t k = 0; k < l->n; k++)
        texts[k] = c->texts.text[l->which[k]].raw;
    embed_share_tokens(texts, l->n, facts->usage.prompt_tokens, tokens);
    embed_share_tokens(texts, l->n, facts->list_nanousd, prices);
    for (size_t k = 0; k < l->n; k++) {
        struct entry one = *facts, **at = &c->found->each[l->which[k]];
        char *key = inference_cache_key(r, model, c->texts.text[l->which[k]].hash);
        struct buf body = BUF(l->raw[k].n + 16);

        embed_strip(l->raw[k], &body);
        one.body = buf_span(&body);
        one.usage.prompt_tokens = tokens[k];
        one.usage.completion_tokens = one.usage.cached_tokens = 0;
        one.list_nanousd = prices[k];
        entry_drop(at);
        *at = entry_new(&one);
        cache_keep(r->p->cache, CACHE_EMBED, key, *at);
        free(key);
        buf_done(&body);
    }
    free(texts);
    free(tokens);
    free(prices);
}

/* The answer to all texts, of new and known elements; *known: the tokens of the known ones. */
static struct entry *complete_answer(const struct inference_cached *c, const struct entry *facts,
                                     const struct usage *known, size_t known_n)
{
    struct buf usage = BUF(256), body = BUF(ENTRY_MAX_BYTES);
    long long used = facts->usage.prompt_tokens;
    struct entry whole = *facts;
    struct entry *e = NULL;

    if (facts->usage.there && known_n > 0)
        buf_printf(&usage,
                   "{\"prompt_tokens\":%lld,\"total_tokens\":%lld,\"cached_inputs\":%zu,"
                   "\"cached_input_tokens\":%lld}",
                   used, used, known_n, (long long)known->prompt_tokens);
    embed_join(&c->texts, c->found, facts->body, facts->model,
               usage.n ? buf_span(&usage) : json_at(facts->body, "usage"), &body);
    whole.body = buf_span(&body);
    whole.usage.prompt_tokens = add64(whole.usage.prompt_tokens, known->prompt_tokens);
    if (!buf_failed(&body))
        e = entry_new(&whole);
    buf_done(&usage);
    buf_done(&body);
    return e;
}

static void report_known(struct run *r, const struct entry *facts, const struct usage *known)
{
    struct entry e = *facts;

    e.usage = *known;
    inference_tell_saved(r, &e);
}

/* Did another model answer than the one whose vectors are known? */
static bool is_other_model(const struct found *known, struct span model)
{
    for (size_t k = 0; k < known->n; k++)
        if (known->each[k])
            return !embed_same_model(known->each[k]->model, model);
    return false;
}

static void ask_for_all(struct run *r)
{
    struct inference *i = r->state;
    struct inference_cached *c = i->cached;
    struct buf body = BUF(c->asked.n + 64);

    found_drop(&c->found);
    c->found = found_new(c->n);
    embed_ask(&c->texts, buf_span(&c->asked), c->found, &body);
    buf_done(&i->req.body);
    i->req.body = body;
    log_event(LOG_INFO, "call.other_model", "job=%s texts=%zu", r->id, c->n);
    run_enter(r, INFERENCE_CALL);
}

static enum inference_kept keep_embedding(struct run *r, struct span model,
                                          const struct entry *facts)
{
    struct inference_cached *c = ((struct inference *)r->state)->cached;
    struct usage known = inference_sum_usage(c->found);
    size_t known_n = c->found->known;
    struct elements l;
    bool other;

    if (!read_elements(c, facts->body, &l)) {
        elements_done(&l);
        share_failed(&c->sharer);
        return c->asked.n == 0 ? INFERENCE_KEPT : INFERENCE_NO_ANSWER;
    }
    other = l.part && is_other_model(c->found, facts->model);
    keep_elements(r, model, facts, &l);
    if (other) {
        elements_done(&l);
        ask_for_all(r);
        return INFERENCE_ASKED_AGAIN;
    }
    if (l.part)
        c->answer = complete_answer(c, facts, &known, known_n);
    else
        c->answer = entry_new(facts);
    elements_done(&l);
    if (c->answer && l.part && known_n > 0)
        report_known(r, facts, &known);
    if (c->answer)
        answer_sharers(r, model, c->answer);
    return c->answer ? INFERENCE_KEPT : INFERENCE_NO_ANSWER;
}

/* ---- outcomes ---- */

enum inference_kept inference_cache_keep(struct run *r, struct span model,
                                         const struct inference_answer *a, const struct cost *cost,
                                         struct span *output)
{
    enum inference_kept kept;
    struct inference *i = r->state;
    const struct together_reply *t = &a->reply;
    struct entry facts = {.body = a->body,
                          .model = t->model.n ? t->model : i->req.model,
                          .provider = i->provider->name,
                          .usage = t->usage,
                          .list_nanousd = cost->list_cost_nanousd,
                          .stored_ms = clock_wall_ms()};

    *output = a->body;
    if (!i->cached)
        return INFERENCE_KEPT;
    facts.usage.prompt_tokens = cost->prompt_tokens;
    facts.usage.completion_tokens = cost->completion_tokens;
    facts.usage.cached_tokens = cost->cached_tokens;
    if (i->cached->kind != CACHE_EMBED) {
        keep_answer(r, model, &facts);
        return INFERENCE_KEPT;
    }
    kept = keep_embedding(r, model, &facts);
    if (kept == INFERENCE_KEPT && i->cached->answer)
        *output = i->cached->answer->body;
    return kept;
}

void inference_cache_again(struct run *r, int64_t most)
{
    struct inference *i = r->state;

    if (i->cached)
        share_again(&i->cached->sharer, most);
}

void inference_cache_failed(struct run *r) { inference_cache_again(r, FAILURES); }

void inference_cache_leave(struct run *r)
{
    struct inference *i = r->state;

    if (i->cached)
        share_leave(&i->cached->sharer);
}

void inference_cache_over(struct run *r)
{
    struct inference *i = r->state;
    char reason[INFERENCE_REASON];

    if (i->cached && r->delay_ms > 0) {
        inference_cache_reason(r, run_is_at(r, INFERENCE_BUDGET), reason);
        share_later(&i->cached->sharer, r->delay_ms, reason);
    }
    inference_cache_free(r);
}
