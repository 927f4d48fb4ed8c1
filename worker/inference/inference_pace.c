/* inference_pace.c - PACE: the job waits for its turn at the provider's rate.
 *
 *   its turn is now ........ goes on
 *   within a second ........ waits in memory, without a slot
 *   later .................. postponed to that time; its ticket goes with it, so it keeps its place
 *                            and is seldom postponed more than once
 *   much later, if it may .. moves to inference.batch (payload "overflow": "batch")
 *
 * Money that was set aside for the call stays so for a short wait only.  After a longer one (of a
 * job that was postponed often, or for a place among a model's calls at once) the job has its turn
 * first, and then BUDGET is asked again, which may refuse: then the turn is lost, and nothing was
 * spent.  So what waits keeps nobody from calling another model.
 *
 *   PACE ── waits ── PATIENCE_MS: money back ── its turn ── SEND ──▶ BUDGET ──▶ PACE ──▶ SEND
 *                                                           (not covered)    (it has its turn)
 *
 * What is kept in the record of a postponed job, for the next claim and for `flotilla why`:
 *   {"bucket": NAME, "class": k, "calls": number, "tokens": number, "took": tokens,
 *    "tnum": of the claim}
 * It is good for the next claim alone: behind a retry, a pause, a worker that died it is still in
 * the record, but its turn was used.  A job that comes back from a pause (429, 503 ...) has lost
 * its place and goes before others. */
#include <stdio.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/json.h"
#include "common/core/log.h"
#include "common/core/random.h"
#include "worker/inference/inference.h"

enum {
    UNTRIED_MS = 5000,     /* in memory while the rate doubles that nobody has limited yet: soon all
                              may go, and to postpone thousands would cost more than it gives */
    MEMORY_MS = 1000,      /* shorter waits are spent in memory */
    AGAIN_MS = 2000,       /* and these, of jobs that were postponed before */
    OFTEN_MS = 30000,      /* and these, of jobs that were postponed often */
    SLOT_MS = 100,         /* and these with the slot, when memory has no room */
    SLOT_MOST_MS = 250,    /* after which the slot is given up, however the wait has changed */
    REVIEWS_MAX = 4,       /* while nobody has limited the rate, after so many times that */
    MEMORY_MOST_MS = 5000, /* the same of memory: a wait that became long is postponed */
    NEAR_MS = 1000,        /* a job comes by itself at a turn that is so near */
    LATER_MS = 10000,      /* and at least so much later than a turn that is not, */
    OWN_MOST_MS = 600000,  /* but after this at most */
    UNKNOWN_MS = 1000,     /* a wait of unknown length is postponed by this, doubled each time */
    UNKNOWN_DOUBLED = 6,   /* but not more often */
    PATIENCE_MS = 1500,    /* how long money stays set aside without a call */
    PARKS_MAX = 2          /* often; with a pause after a 429 these are three */
};

/* ---- the place that goes with the job ---- */

static void write_place(const struct run *r, struct buf *b)
{
    const struct inference *i = r->state;
    const struct limiter_call *c = &i->pace;
    char text[128];

    buf_putc(b, '{');
    json_add_str(b, "bucket", limiter_bucket_name(c));
    json_add_int(b, "class", (int64_t)c->ticket.class);
    snprintf(text, sizeof text, ",\"calls\":%.3f,\"tokens\":%.3f,\"took\":%.3f",
             c->ticket.number[BUCKET_CALLS], c->ticket.number[BUCKET_TOKENS], c->ticket.took);
    buf_puts(b, text);
    json_add_int(b, "tnum", r->held.tnum);
    if (i->invalid) /* inference_check.c counts on */
        json_add_int(b, "invalid", i->invalid);
    buf_putc(b, '}');
}

/* Was it written by the claim before this one?  Putting off and starting are one transition each.
 */
static bool is_fresh(const struct run *r)
{
    int64_t tnum;

    return json_read_int(json_at(run_progress(r), "tnum"), &tnum) && tnum >= 0 &&
           tnum <= RECORD_TNUM &&
           record_next_tnum(record_next_tnum((uint32_t)tnum)) == r->held.tnum;
}

/* The place that came with the job, if it is one of this bucket and not used. */
static void read_place(struct run *r, const char *name)
{
    struct inference *i = r->state;
    struct bucket_ticket t;
    char of[LIMITER_NAME];

    if (!bucket_read_place(run_progress(r), of, sizeof of, &t) || strcmp(of, name) != 0 ||
        !is_fresh(r))
        return;
    i->pace.ticket = t;
    i->pace.has_ticket = true;
}

/* ---- waiting ---- */

static bool may_overflow(const struct run *r)
{
    struct span how = {NULL, 0};
    const struct json_want want = {"overflow", &how};

    return r->held.queue == QUEUE_INFERENCE_STANDARD &&
           json_pick(r->job.payload.p, r->job.payload.n, &want, 1) && json_equals(how, "batch");
}

/* It is called back when its turn is near; its own time is later, unless that is now. */
static int64_t own_time_ms(int64_t wait_ms)
{
    return wait_ms <= NEAR_MS ? wait_ms : min64(wait_ms + wait_ms / 4 + LATER_MS, OWN_MOST_MS);
}

static void wait_away(struct run *r)
{
    const struct inference *i = r->state;
    char name[LIMITER_NAME];

    limiter_postpone(r->p->limiter, limiter_name(i->fingerprint, i->req.model, name),
                     &i->pace.ticket, r->held.queue, r->id);
}

static void postpone(struct run *r, int64_t wait_ms, int64_t in_ms)
{
    struct inference *i = r->state;
    struct buf b = BUF(1024);

    loop_cancel(&i->review);
    limiter_leave(&i->pace, true);
    if (in_ms > NEAR_MS && i->pace.has_ticket)
        r->on_deferred = wait_away;
    write_place(r, &b);
    log_event(LOG_DEBUG, "job.paced", "job=%s wait_ms=%lld", r->id, (long long)wait_ms);
    run_postpone(r, in_ms, buf_span(&b));
    buf_done(&b);
}

/* Slots are for calls: without room in memory, only the shortest waits keep one. */
static bool stays(struct run *r, int64_t wait_ms)
{
    const struct inference *i = r->state;
    bool untried = limiter_is_untried(&i->pace);

    if (untried && r->slot && wait_ms <= SLOT_MS) /* else more is claimed than can be called */
        return true;
    if (wait_ms <= (untried         ? UNTRIED_MS
                    : r->held.parks ? AGAIN_MS
                                    : MEMORY_MS) &&
        run_release_slot(r, RUN_WAITS_SHORT))
        return true;
    if (wait_ms <= OFTEN_MS && r->held.parks >= PARKS_MAX && run_release_slot(r, RUN_WAITS_LONG) &&
        run_memory_is_ample(r->p))
        return true;
    return wait_ms <= (untried && r->slot && i->reviews < REVIEWS_MAX ? UNTRIED_MS : SLOT_MS);
}

static void on_review(void *arg);

static void review_later(struct run *r)
{
    struct inference *i = r->state;

    loop_cancel(&i->review);
    i->review = loop_after(r->p->env.loop, r->slot ? SLOT_MOST_MS : MEMORY_MOST_MS, on_review, r);
}

/* Its turn comes in wait_ms.  False: it was deferred. */
static bool place(struct run *r, int64_t wait_ms)
{
    struct inference *i = r->state;
    int64_t overflow_ms = r->p->env.cfg->limits_overflow_after_ms;

    if (overflow_ms > 0 && wait_ms > overflow_ms && may_overflow(r)) {
        loop_cancel(&i->review);
        limiter_leave(&i->pace, false);
        log_event(LOG_INFO, "job.overflow", "job=%s wait_ms=%lld", r->id, (long long)wait_ms);
        run_move(r, QUEUE_INFERENCE_BATCH);
        return false;
    }
    if (stays(r, wait_ms)) {
        review_later(r);
        return true;
    }
    postpone(r, wait_ms, own_time_ms(wait_ms));
    return false;
}

/* A wait whose end is not known: longer each time, and not all jobs at once. */
static int64_t unknown_ms(const struct run *r)
{
    int64_t most = (int64_t)UNKNOWN_MS << min64(r->held.parks, UNKNOWN_DOUBLED);

    return most / 2 + random_below(most / 2);
}

/* It has waited for long: it stays in memory if its turn is near, and never in the slot. */
static void review(struct run *r)
{
    struct inference *i = r->state;
    int64_t wait_ms = limiter_wait_ms(&i->pace);
    bool known = wait_ms < INT64_MAX, in_memory = run_release_slot(r, RUN_WAITS_SHORT);

    if (i->pace.state == LIMITER_ASKS || (in_memory && !known && run_memory_is_ample(r->p)))
        review_later(r); /* Redis does not answer; or one of the calls at once is waited for */
    else if (known && (in_memory || (limiter_is_untried(&i->pace) && ++i->reviews < REVIEWS_MAX)))
        (void)place(r, wait_ms);
    else if (known)
        postpone(r, wait_ms, own_time_ms(wait_ms));
    else
        postpone(r, UNKNOWN_MS, unknown_ms(r));
}

static void on_review(void *arg)
{
    struct run *r = arg;
    struct inference *i = r->state;
    RUN_SCOPE(r);

    i->review = NULL;
    review(r);
}

static void on_place(void *arg, int64_t wait_ms)
{
    struct run *r = arg;
    RUN_SCOPE(r);

    (void)place(r, wait_ms);
}

/* For the time of a question to Redis a slot does as well. */
static void inference_pace_ask(struct run *r)
{
    const struct inference *i = r->state;

    if (!limiter_is_untried(&i->pace))
        (void)run_release_slot(r, RUN_WAITS_SHORT);
    review_later(r);
}

static void on_patience(void *arg)
{
    struct run *r = arg;
    struct inference *i = r->state;

    i->patience = NULL;
    inference_release_money(r);
}

static void on_turn(void *arg)
{
    struct run *r = arg;
    struct inference *i = r->state;
    RUN_SCOPE(r);

    loop_cancel(&i->patience);
    loop_cancel(&i->review);
    run_next(r);
}

/* ---- the step ---- */

static enum bucket_class class_of(const struct run *r)
{
    const struct inference *i = r->state;

    if (i->again || i->at > 0 || r->held.parked_ms || r->held.queue == QUEUE_INFERENCE_REALTIME)
        return BUCKET_FRONT;
    return r->held.queue == QUEUE_INFERENCE_BATCH ? BUCKET_BATCH : BUCKET_STANDARD;
}

/* Most calls of this model at once; 0: any number. */
static int64_t most_at_once(const struct run *r)
{
    const struct inference *i = r->state;
    int64_t own = i->model ? i->model->max_concurrency : 0,
            all = r->p->env.cfg->limits_model_concurrency;

    if (own > 0 && all > 0)
        return min64(own, all);
    return own > 0 ? own : all;
}

/* It has had its turn here, and was only away for its money. */
static bool has_turn(const struct inference *i, const char *name)
{
    return i->pace.state == LIMITER_GOES && !strcmp(limiter_bucket_name(&i->pace), name);
}

static int64_t enter(struct run *r, const char *name)
{
    struct inference *i = r->state;
    struct limiter_call *c = &i->pace;

    limiter_leave(c, false); /* the turn of a route that could not be called */
    *c = (struct limiter_call){.on_place = on_place, .on_turn = on_turn, .arg = r};
    if (r->calls == 0)
        read_place(r, name);
    if (!c->has_ticket)
        c->ticket.class = class_of(r);
    c->tokens = (double)i->req.body.n / 4;
    return limiter_enter(r->p->limiter, c, name, most_at_once(r));
}

void inference_pace(struct run *r)
{
    struct inference *i = r->state;
    char name[LIMITER_NAME];
    int64_t wait;

    stops_fingerprint(i->provider->api_key ? i->provider->api_key : "", i->fingerprint);
    limiter_name(i->fingerprint, i->req.model, name);
    wait = has_turn(i, name) ? 0 : enter(r, name);
    if (wait != 0 && i->hold)
        i->patience = loop_after(r->p->env.loop, PATIENCE_MS, on_patience, r);
    if (wait == 0)
        run_next(r);
    else if (wait < 0)
        inference_pace_ask(r);
    else
        (void)place(r, wait);
}

void inference_pace_abort(struct run *r)
{
    struct inference *i = r->state;

    loop_cancel(&i->patience);
    loop_cancel(&i->review);
    limiter_leave(&i->pace, false);
}

/* ---- what became of it ---- */

static enum limiter_end end_of(const struct inference_answer *a)
{
    if (!a)
        return LIMITER_LOST;
    if (a->reply.kind == ERR_NONE)
        return LIMITER_WELL;
    if (a->reply.kind == ERR_OVERLOADED)
        return LIMITER_OVERLOADED;
    if (a->reply.kind != ERR_RATE_LIMITED)
        return LIMITER_LOST;
    return strcmp(a->reply.provider_code, "dynamic_token_limited") == 0 ? LIMITER_TOKENS
                                                                        : LIMITER_REFUSED;
}

void inference_pace_end(struct run *r, const struct inference_answer *a, double tokens)
{
    struct inference *i = r->state;
    struct limiter_outcome o = {.end = end_of(a), .tokens_used = tokens, .wait_ms = -1};

    if (a && a->http) {
        o.reply = a->http;
        if (o.end == LIMITER_REFUSED || o.end == LIMITER_TOKENS)
            o.wait_ms = http_retry_after_ms(a->http, clock_wall_ms(),
                                            r->p->env.cfg->retry_server_wait_max_ms);
    }
    limiter_end(&i->pace, &o);
}

bool inference_pace_again(struct run *r)
{
    const struct inference *i = r->state;
    int64_t now = clock_wall_ms();

    if (r->held.parks <= PARKS_MAX || i->pace.state != LIMITER_OUT)
        return false;
    if (!r->held.parked_ms)
        r->held.parked_ms = now;
    if (now - r->held.parked_ms >= r->p->env.cfg->retry_max_wait_ms)
        return false;
    run_enter(r, INFERENCE_CALL);
    return true;
}
