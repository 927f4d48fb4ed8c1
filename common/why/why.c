/* why.c - gathers what why_decide needs; see why.h.
 *
 *   GET record --> prices --> one round of reads (why_questions.c) --> why_decide --> told
 */
#include "common/why/why_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/json.h"
#include "common/core/utf8.h"
#include "common/core/xalloc.h"
#include "common/model/cost.h"
#include "common/route/live.h"
#include "common/route/lost.h"

static void finish(struct asking *a)
{
    struct why_answer answer = {.id = a->id, .facts = a->facts};

    if (a->err.kind == ERR_NONE)
        why_decide(&a->facts, &answer.why);
    a->cb(a->arg, a->err.kind == ERR_NONE ? &answer : NULL, &a->err);
    buf_done(&a->record);
    free(a);
}

struct question {
    struct asking *a;
    size_t at;
};

/* Nothing may be concluded from an answer that is not there. */
static void note_unknown(struct asking *a, const struct why_question *q)
{
    struct why_facts *f = &a->facts;
    size_t n = strlen(f->unknown);

    snprintf(f->unknown + n, sizeof f->unknown - n, "%s%s", n ? ", " : "", q->name);
    f->no_place |= !strcmp(q->name, "length") || !strcmp(q->name, "place");
    f->no_workers |= !strcmp(q->name, "workers");
    f->scheduler |= !strcmp(q->name, "scheduler");
}

static void on_fact(void *arg, const struct reply *reply, const struct err *err)
{
    struct question *q = arg;
    struct asking *a = q->a;

    if (reply)
        why_questions[q->at].read(a, reply);
    else if (err->kind == ERR_REDIS_LOST)
        a->err = *err;
    else
        note_unknown(a, &why_questions[q->at]);
    free(q);
    if (--a->open == 0)
        finish(a);
}

static void ask_all(struct asking *a)
{
    for (size_t i = 0; i < why_question_count; i++) {
        struct question *q = xcalloc(1, sizeof *q);
        struct redis_args args;

        q->a = a;
        q->at = i;
        a->open++;
        redis_args_init(&args);
        why_questions[i].ask(a, &args);
        redis_send(a->o.redis, &args, on_fact, q);
    }
}

static void note_route(struct asking *a, const char *name, struct span model)
{
    const struct config_provider *provider = config_provider(a->o.cfg, name);

    snprintf(a->route, sizeof a->route, "%s %.*s", name, (int)model.n, model.p);
    if (provider && provider->api_key)
        digest_text((struct span){provider->api_key, strlen(provider->api_key)}, a->fingerprint);
    else if (provider && !provider->loopback)
        snprintf(a->facts.no_key, sizeof a->facts.no_key, "%s", name);
}

/* The dearest call that it may make, and the route that it is tried at first. */
static void look_at_call(struct asking *a, const struct routes *prices)
{
    struct cost_event e;
    struct candidate first;
    struct job job;
    struct span doc = record_doc(&a->facts.rec, a->record.p, a->record.n);

    if (!job_read(doc, a->o.defaults, &job) ||
        !cost_of_lost_job(&e, a->id, &a->facts.rec, &job, &a->o.cfg->models, a->facts.now_ms))
        return;
    if (route_first(&e, &job, a->o.cfg, prices, &first))
        note_route(a, first.route ? first.route->model.provider : "together", first.name);
    route_lost(&e, &job, a->o.cfg, prices);
    if (!(e.cost.flags & COST_UNPRICED))
        a->facts.cost_at_most_nanousd = e.cost.estimate_nanousd;
}

static void on_prices(void *arg, struct routes *take_t, const struct err *err)
{
    struct asking *a = arg;

    if (err) {
        a->err = *err;
        finish(a);
        return;
    }
    look_at_call(a, take_t);
    routes_free(take_t);
    ask_all(a);
}

/* A text behind the document: one line, cut at a whole character; "" when it is not there. */
static void read_tail(const struct asking *a, const char *path, char *to, size_t size)
{
    struct span tail = record_tail(&a->facts.rec, a->record.p, a->record.n);
    const char *end = to + size - 1;
    struct buf text = BUF(tail.n);

    if (!json_read_string(json_at(tail, path), &text))
        text.n = 0;
    for (size_t at = 0, len; at < text.n; at += len, to += len) {
        len = utf8_len(text.p + at, text.p + text.n);
        if (len == 0 || to + len > end)
            break;
        memcpy(to, text.p + at, len);
        if ((unsigned char)*to < 0x20 || *to == 0x7f)
            *to = ' ';
    }
    *to = '\0';
    buf_done(&text);
}

static void read_failures(struct asking *a)
{
    struct why_facts *f = &a->facts;
    struct span tail = record_tail(&f->rec, a->record.p, a->record.n);

    if (!json_read_int(json_at(tail, "refused.times"), &f->failures))
        f->failures = 0;
    read_tail(a, "refused.text", f->failure, sizeof f->failure);
}

/* No record: it may lie in the intake still, which nobody can search. */
static void on_intake(void *arg, const struct reply *reply, const struct err *err)
{
    struct asking *a = arg;

    if (!reply)
        a->err = *err;
    else if (reply_int(reply) > 0)
        err_set(&a->err, ERR_NOT_FOUND, "%s: no such job yet; %lld documents are in intake", a->id,
                (long long)reply_int(reply));
    else
        err_set(&a->err, ERR_NOT_FOUND, "%s: no such job", a->id);
    finish(a);
}

static void on_record(void *arg, const struct reply *reply, const struct err *err)
{
    struct asking *a = arg;
    struct span bytes = reply_span(reply);

    if (reply && !bytes.p) {
        redis_sendv(a->o.redis, on_intake, a, "LLEN", key(a->o.keys, KEY_INTAKE), NULL);
        return;
    }
    if (!reply)
        a->err = *err;
    else if (!buf_add_span(&a->record, bytes) ||
             !record_read(a->record.p, a->record.n, &a->facts.rec))
        err_set(&a->err, ERR_INVALID, "%s: a newer version of flotilla wrote this job", a->id);
    if (a->err.kind != ERR_NONE) {
        finish(a);
        return;
    }
    read_failures(a);
    a->facts.now_ms = clock_wall_ms();
    a->facts.cost_at_most_nanousd = -1;
    if (job_state_ended(a->facts.rec.state)) {
        read_tail(a, "error.message", a->facts.error, sizeof a->facts.error);
        ask_all(a);
        return;
    }
    live_read(a->o.redis, a->o.keys, a->o.cfg, on_prices, a);
}

void why_ask(const struct why_options *o, const char *id, why_cb *cb, void *arg)
{
    struct asking *a = xcalloc(1, sizeof *a);
    struct buf record = BUF(600u << 20);
    struct redis_args args;

    a->o = *o;
    snprintf(a->id, sizeof a->id, "%s", id);
    a->record = record;
    a->cb = cb;
    a->arg = arg;
    redis_args_make(&args, "GET", key_word(o->keys->job, a->id));
    redis_send(o->redis, &args, on_record, a);
}
