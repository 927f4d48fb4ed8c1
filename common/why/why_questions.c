/* why_questions.c - what is asked about a job, one command each: see why_private.h.
 *
 *   the job      its place, its time        its queue    length, paused, who serves it
 *   the fleet    schedulers, workers, pace  the provider stopped keys, rate, health of the route
 *
 * Each is a pair of functions: the words of the command, and what its answer says.  A new fact is a
 * pair here, a row in the table at the end and a field of struct why_facts. */
#include "common/why/why_private.h"

#include <stdio.h>
#include <string.h>

#include "common/budget/budget.h"
#include "common/core/json.h"
#include "common/core/parse.h"
#include "common/limit/bucket.h"
#include "common/queue/alert.h"

enum { LOOK = 100000, CALLS = 300, BUCKET_NAME = 256, TOLD_MS = 2 * ALERT_AGAIN_MS };
#define FAR_US (INT64_C(1000000) * 86400 * 365)

static void ask_length(const struct asking *a, struct redis_args *r)
{
    redis_args_add(r, "LLEN", a->o.keys->ready[a->facts.rec.queue]);
}
static void read_length(struct asking *a, const struct reply *reply)
{
    a->facts.length = reply_int(reply);
}

/* The oldest stands at the right. */
static void ask_place(const struct asking *a, struct redis_args *r)
{
    redis_args_add(r, "LPOS", a->o.keys->ready[a->facts.rec.queue], a->id, "RANK", -1, "MAXLEN",
                   LOOK);
}
static void read_place(struct asking *a, const struct reply *reply)
{
    a->facts.listed = reply_type(reply) == REPLY_INT;
    a->facts.ahead = a->facts.length - 1 - reply_int(reply);
    if (a->facts.ahead < 0) /* the list has changed since its length was read */
        a->facts.ahead = 0;
}

static void ask_paused(const struct asking *a, struct redis_args *r)
{
    redis_args_add(r, "HEXISTS", key(a->o.keys, KEY_PAUSED), queue_name(a->facts.rec.queue));
}
static void read_paused(struct asking *a, const struct reply *reply)
{
    a->facts.paused = reply_int(reply) == 1;
}

static void ask_due(const struct asking *a, struct redis_args *r)
{
    char member[160];

    snprintf(member, sizeof member, "%s/%s", queue_name(a->facts.rec.queue), a->id);
    redis_args_add(r, "ZSCORE", key(a->o.keys, KEY_DELAYED), member);
}
static void read_due(struct asking *a, const struct reply *reply)
{
    a->facts.due = reply_span(reply).n > 0;
}

static void ask_scheduler(const struct asking *a, struct redis_args *r)
{
    redis_args_add(r, "EXISTS", key(a->o.keys, KEY_LEASE));
}
static void read_scheduler(struct asking *a, const struct reply *reply)
{
    a->facts.scheduler = reply_int(reply) == 1;
}

/* Does that group take from the job's queue?  One that is not configured here may. */
static bool serves(const struct asking *a, struct span group)
{
    const char *queue = queue_name(a->facts.rec.queue);
    const struct config_group *g;
    char name[65];

    if (!json_read_text(group, name, sizeof name) || !(g = config_group(a->o.cfg, name)))
        return true;
    for (size_t i = 0; i < g->queue_count; i++)
        if (!strcmp(g->queues[i].name, queue))
            return true;
    return false;
}

static void ask_workers(const struct asking *a, struct redis_args *r)
{
    redis_args_add(r, "HVALS", key(a->o.keys, KEY_WORKERS));
}
static void read_workers(struct asking *a, const struct reply *reply)
{
    for (size_t i = 0; i < reply_count(reply); i++) {
        struct span doc = reply_span(reply_at(reply, i)), group = {0}, slots = {0}, running = {0},
                    leaves = {0};
        const struct json_want wants[] = {
            {"group", &group}, {"slots", &slots}, {"running", &running}, {"draining", &leaves}};
        int64_t v;

        if (!json_pick(doc.p, doc.n, wants, ARRAY_LEN(wants)) || (leaves.n && *leaves.p == 't'))
            continue;
        if (!serves(a, group)) {
            a->facts.others++;
            continue;
        }
        a->facts.workers++;
        a->facts.slots += json_read_int(slots, &v) ? v : 0;
        a->facts.running += json_read_int(running, &v) ? v : 0;
    }
}

/* Fingerprint of a key -> "<since> <next probe> <code>".  Who does not know the key of the job's
 * provider takes any. */
static void ask_stops(const struct asking *a, struct redis_args *r)
{
    redis_args_add(r, "HGETALL", key(a->o.keys, KEY_STOPS));
}
static void read_stops(struct asking *a, const struct reply *reply)
{
    for (size_t i = 0; i + 1 < reply_count(reply); i += 2) {
        struct span s = reply_span(reply_at(reply, i + 1));
        const char *code = s.p ? memrchr(s.p, ' ', s.n) : NULL;

        if (code && (!a->fingerprint[0] || reply_is(reply_at(reply, i), a->fingerprint)))
            snprintf(a->facts.stop, sizeof a->facts.stop, "%.*s", (int)(s.p + s.n - code - 1),
                     code + 1);
    }
}

/* Workers without a key tell it, once an hour; what is configured here may differ from theirs. */
static void ask_key(const struct asking *a, struct redis_args *r)
{
    char field[80];

    snprintf(field, sizeof field, "no_key %s", a->facts.no_key);
    redis_args_add(r, "HGET", key(a->o.keys, KEY_ALERTED), field);
}
static void read_key(struct asking *a, const struct reply *reply)
{
    struct span at = reply_span(reply);
    int64_t told_ms;

    if (!at.n || !parse_int64(at.p, at.n, 0, INT64_MAX, &told_ms) ||
        a->facts.now_ms - told_ms > TOLD_MS)
        a->facts.no_key[0] = '\0';
}

/* How quickly calls end: the times of the last cost events (they are small, results may not be). */
static void ask_pace(const struct asking *a, struct redis_args *r)
{
    redis_args_add(r, "XREVRANGE", key(a->o.keys, KEY_COSTS), "+", "-", "COUNT", CALLS);
}
static void read_pace(struct asking *a, const struct reply *reply)
{
    size_t n = reply_count(reply);
    struct span id = n ? reply_span(reply_at(reply_at(reply, n - 1), 0)) : (struct span){NULL, 0};
    const char *dash = id.n ? memchr(id.p, '-', id.n) : NULL;
    int64_t first;

    if (!dash || !parse_int64(id.p, (size_t)(dash - id.p), 0, INT64_MAX, &first) ||
        a->facts.now_ms <= first)
        return;
    a->facts.finished = (int64_t)n;
    a->facts.finished_ms = a->facts.now_ms - first;
}

/* A job that was put off for a budget says in its progress for which sum. */
static void budget_of(const struct asking *a, char name[BUDGET_SUM_NAME])
{
    struct span tail = record_tail(&a->facts.rec, a->record.p, a->record.n);

    if (!json_read_text(json_at(tail, "data.budget"), name, BUDGET_SUM_NAME))
        name[0] = '\0';
}
static void ask_budget(const struct asking *a, struct redis_args *r)
{
    char name[BUDGET_SUM_NAME];

    budget_of(a, name);
    redis_args_add(r, "HGET", key(a->o.keys, KEY_BUDGET), name);
}
static void read_budget(struct asking *a, const struct reply *reply)
{
    char name[BUDGET_SUM_NAME], usd[3][BUDGET_USD];
    struct budget_sum sum;
    struct span tail = record_tail(&a->facts.rec, a->record.p, a->record.n);

    if (!json_read_int(json_at(tail, "data.full_until"), &a->facts.full_ms))
        a->facts.full_ms = 0;
    budget_of(a, name);
    if (!budget_sum_read(reply_span(reply), &sum))
        return;
    snprintf(a->facts.budget, sizeof a->facts.budget,
             "%s: of %s USD, %s are spent and %s reserved for calls", name,
             budget_usd(sum.limit_nanousd, usd[0]), budget_usd(sum.spent_nanousd, usd[1]),
             budget_usd(sum.reserved_nanousd, usd[2]));
}

/* A job that was put off for the rate has its place with it. */
static bool place_of(const struct asking *a, char name[BUCKET_NAME], struct bucket_ticket *ret)
{
    struct span tail = record_tail(&a->facts.rec, a->record.p, a->record.n);

    name[0] = '\0';
    return bucket_read_place(json_at(tail, "data"), name, BUCKET_NAME, ret);
}
static void ask_rate(const struct asking *a, struct redis_args *r)
{
    struct bucket_ticket t;
    char name[BUCKET_NAME];

    (void)place_of(a, name, &t);
    redis_args_add(r, "HGET", key(a->o.keys, KEY_BUCKET), name);
}
static void read_rate(struct asking *a, const struct reply *reply)
{
    struct bucket_ticket t;
    struct bucket b;
    char name[BUCKET_NAME];
    int64_t wait_us;
    double ahead;

    if (!place_of(a, name, &t) || !bucket_read(reply_span(reply), &b))
        return;
    bucket_advance(&b, a->facts.now_ms * 1000);
    wait_us = bucket_wait_us(&b, &t);
    ahead = t.number[BUCKET_CALLS] - b.lane[BUCKET_CALLS].pos[t.class];
    if (wait_us < FAR_US)
        a->facts.turn_ms = a->facts.now_ms + wait_us / 1000;
    snprintf(a->facts.rate, sizeof a->facts.rate, "%.0f calls before it, %.1f a second for all",
             ahead > 1 ? ahead - 1 : 0, b.lane[BUCKET_CALLS].rate);
}

static void ask_route(const struct asking *a, struct redis_args *r)
{
    redis_args_add(r, "HGET", key(a->o.keys, KEY_HEALTH), a->route);
}
static void read_route(struct asking *a, const struct reply *reply)
{
    struct health_state s;

    if (!health_read(reply_span(reply), &s) || s.breaker == HEALTH_CLOSED)
        return;
    a->facts.route_ms = s.next_ms;
    snprintf(a->facts.route, sizeof a->facts.route, "%s is out (%s); the next probe is", a->route,
             health_reason_name(s.reason));
}

const struct why_question why_questions[] = {
    {"length", ask_length, read_length},
    {"place", ask_place, read_place},
    {"pause", ask_paused, read_paused},
    {"due time", ask_due, read_due},
    {"scheduler", ask_scheduler, read_scheduler},
    {"workers", ask_workers, read_workers},
    {"stopped keys", ask_stops, read_stops},
    {"missing keys", ask_key, read_key},
    {"pace", ask_pace, read_pace},
    {"budget", ask_budget, read_budget},
    {"rate", ask_rate, read_rate},
    {"health", ask_route, read_route},
};
const size_t why_question_count = ARRAY_LEN(why_questions);
