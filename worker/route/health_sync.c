/* health_sync.c - this process and the fleet's record of the routes: one script call each way.
 *
 *   counts + proposals --lua/health.lua--> all records, and which proposals were taken
 *
 * health_propose.c makes the proposals.
 *
 * Calls are one second apart, with the heartbeat.  A process that only receives
 * gets the records with the answer to its heartbeat.  What is urgent (a shift, the
 * end of a probe, a job that waits for one) is sent at once, but at least
 * SOON_MS apart. */
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/random.h"
#include "common/core/xalloc.h"
#include "common/io/loop.h"
#include "common/queue/alert.h"
#include "common/queue/scripts.h"
#include "worker/env.h"
#include "worker/route/health_private.h"

enum {
    SOON_MS = 100,
    FORGET_MS = 86400000, /* a route without calls and probes makes room for others */
    FLAP_OPENINGS = 3,    /* in an hour; then a shift is an alert at most once in FLAP_MS */
    FLAP_MS = 600000
};

struct shift {
    struct health_route *route;
    const char *code; /* of the alert, which the script writes; NULL: none */
    char *text;       /* its message */
    bool probe;       /* it asks for the probe */
};

/* One call of the script. */
struct sync {
    struct health *h;
    int64_t at_ms; /* monotonic */
    char id[WORKER_ID_MAX];
    size_t count;
    struct shift shifts[]; /* one per route of the call */
};

/* ---- sending ---- */

/* "google/x at together: opened, ..." */
static char *message_of(const struct health_route *t, const struct health_proposal *w)
{
    struct buf b = BUF(8192);

    buf_printf(&b, "%s at %.*s: %s", t->model, (int)(t->model - t->name - 1), t->name,
               !strcmp(w->code, "route_opened") ? "opened, " : "");
    buf_add_span(&b, buf_span(&w->text));
    if (w->next.openings > 1)
        buf_printf(&b, " (opened %lld times within an hour%s)", (long long)w->next.openings,
                   w->next.openings >= FLAP_OPENINGS
                       ? "; unstable: further changes are reported at most every 10 minutes"
                       : "");
    return buf_take(&b);
}

static void add_alert(const struct shift *shift, const struct health_state *next,
                      struct redis_args *a)
{
    struct buf doc = BUF(16384);

    if (shift->code)
        alert_write(&doc, shift->code, shift->route->name, shift->text);
    redis_args_add(a, shift->code ? shift->code : "", buf_span(&doc),
                   next->openings > FLAP_OPENINGS ? FLAP_MS : 0);
    buf_done(&doc);
}

static void add_route(struct sync *s, struct health_route *t, struct redis_args *a)
{
    struct shift *shift = &s->shifts[s->count];
    struct health_proposal w;
    bool proposed = health_propose(s->h, t, &w);
    struct buf b = BUF(65536);

    if (proposed || !health_tally_is_empty(&t->tell)) {
        *shift = (struct shift){.route = t, .probe = w.probe};
        redis_arg_str(a, t->name);
        health_tally_shift(&t->tell, s->h->ahead_ms);
        health_tally_write(&t->tell, &b);
        redis_arg_span(a, buf_span(&b));
        t->tell = (struct health_tally){0};
        buf_clear(&b);
        if (proposed)
            buf_int(&b, t->fleet.seq);
        redis_arg_span(a, buf_span(&b));
        buf_clear(&b);
        if (proposed)
            health_head_write(&w.next, &b);
        redis_args_add(a, buf_span(&b), w.fate);
        shift->code = proposed ? w.code : NULL;
        shift->text = shift->code ? message_of(t, &w) : NULL;
        add_alert(shift, &w.next, a);
        s->count++;
    }
    buf_done(&b);
    buf_done(&w.text);
}

static void free_sync(struct sync *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->shifts[i].text);
    free(s);
}

/* ---- receiving ---- */

static void hear_route(struct health *h, struct health_route *t, const struct health_state *heard)
{
    enum health_breaker was = t->fleet.breaker;

    t->fleet = *heard;
    if (!health_is_mine(h, heard))
        t->granted = false;
    if (heard->norm_calls >= t->own.norm_calls) {
        t->own.norm_ms = heard->norm_ms;
        t->own.norm_calls = heard->norm_calls;
    }
    if ((was == HEALTH_CLOSED) != (heard->breaker == HEALTH_CLOSED))
        health_put_back(&t->own, clock_mono_ms()); /* the fleet knows better */
    health_refresh(t);
}

static void hear_all(struct health *h, const struct reply *pairs)
{
    struct health_route *t, *tmp;
    struct health_state heard;

    for (size_t i = 0; i + 1 < reply_count(pairs); i += 2) {
        struct span name = reply_span(reply_at(pairs, i));
        const char *blank = name.n ? memchr(name.p, ' ', name.n) : NULL;
        char provider[HEALTH_NAME];

        if (!blank || name.n >= sizeof provider ||
            !health_read(reply_span(reply_at(pairs, i + 1)), &heard))
            continue;
        memcpy(provider, name.p, (size_t)(blank - name.p));
        provider[blank - name.p] = '\0';
        t = health_heard_route(h, provider,
                               (struct span){blank + 1, (size_t)(name.p + name.n - blank - 1)});
        if (!t)
            continue;
        hear_route(h, t, &heard);
        t->heard = true;
    }
    memset(&heard, 0, sizeof heard);
    HASH_ITER(hh, h->routes, t, tmp)
    {
        if (!t->heard && t->fleet.seq) /* its record was removed */
            hear_route(h, t, &heard);
        t->heard = false;
    }
}

/* Is there a shift, or the end of a probe, to be sent now that the records are known? */
static bool has_more_to_send(struct health *h)
{
    struct health_route *t, *tmp;
    bool more = false;

    HASH_ITER(hh, h->routes, t, tmp)
    {
        struct health_proposal w;

        more |= health_propose(h, t, &w) && (w.code || t->gone || t->has_outcome || t->wants_probe);
        buf_done(&w.text);
    }
    return more;
}

static void hear_letters(const struct sync *s, struct span letters)
{
    struct health *h = s->h;

    for (size_t i = 0; i < s->count && i < letters.n; i++) {
        const struct shift *shift = &s->shifts[i];
        struct health_route *t = shift->route;

        if (letters.p[i] != 'y')
            continue;
        if (shift->probe) {
            t->wants_probe = false;
            t->granted = health_is_mine(h, &t->fleet);
            t->granted_ms = clock_mono_ms();
        }
        if (shift->code)
            log_event(LOG_WARN, "route.shift", "code=%s route=%s msg=%s", shift->code,
                      log_quote(t->name), log_quote(shift->text));
    }
}

static void hear(struct health *h, const struct reply *pairs, int64_t now_ms, int64_t sent_ms)
{
    h->heard_ms = sent_ms;
    h->ahead_ms = now_ms - clock_mono_ms();
    hear_all(h, pairs);
}

static void health_sync_on_reply(void *arg, const struct reply *reply, const struct err *err)
{
    struct sync *s = arg;
    struct health *h = s->h;

    h->waiting = false;
    if (reply) {
        hear(h, reply_at(reply, 2), reply_int(reply_at(reply, 0)), s->at_ms);
        hear_letters(s, reply_span(reply_at(reply, 1)));
        if (h->urgent || has_more_to_send(h))
            health_sync_soon(h);
    } else if (err->kind == ERR_REDIS) {
        log_err(LOG_WARN, "health", err);
    }
    free_sync(s);
}

/* ---- when ---- */

static void send_sync(struct health *h)
{
    struct sync *s = xcalloc(1, sizeof *s + h->count * sizeof s->shifts[0]);
    struct health_route *t, *tmp;
    struct redis_args a;

    s->h = h;
    s->at_ms = clock_mono_ms();
    redis_args_make(&a, key(&h->env->keys, KEY_HEALTH), key(&h->env->keys, KEY_ALERTS),
                    key(&h->env->keys, KEY_ALERTED), HEALTH_ROUTES_MAX, FORGET_MS);
    HASH_ITER(hh, h->routes, t, tmp)
    {
        if (h->heard_ms) /* else its clock is not known: this call only receives */
            add_route(s, t, &a);
    }
    h->waiting = true;
    h->urgent = h->asked = false;
    h->sent_ms = s->at_ms;
    redis_script(h->env->redis, script(SCRIPT_HEALTH), 3, &a, health_sync_on_reply, s);
}

static bool has_something_to_send(struct health *h)
{
    int64_t fleet_ms = health_fleet_now(h);
    struct health_route *t, *tmp;

    if (!h->heard_ms || h->asked)
        return true;
    HASH_ITER(hh, h->routes, t, tmp)
    {
        const struct health_rules rules = health_fleet_rules_of(h, t);

        if (!health_tally_is_empty(&t->tell) || t->gone || t->has_outcome ||
            health_probe_is_unused(t))
            return true;
        if (t->own.breaker != HEALTH_CLOSED || health_turn_is_due(&t->fleet, &rules, fleet_ms))
            return true;
    }
    return false;
}

static bool must_hear(const struct health *h)
{
    const struct health_route *t, *tmp;

    HASH_ITER(hh, h->routes, t, tmp)
    {
        if (t->fleet.breaker != HEALTH_CLOSED)
            return true;
    }
    return false;
}

bool health_asks_beat(struct health *h)
{
    bool asks = must_hear(h) && !h->waiting && !h->urgent && !has_something_to_send(h);

    h->beat_ms = asks ? clock_mono_ms() : 0;
    return asks;
}

void health_heard(struct health *h, const struct reply *pairs, int64_t now_ms)
{
    if (h->beat_ms > h->heard_ms)
        hear(h, pairs, now_ms, h->beat_ms);
    h->beat_ms = 0;
    if (h->urgent || has_more_to_send(h))
        health_sync_soon(h);
}

/* Counts that could not be sent within the window are too old. */
static void forget_old_counts(struct health *h)
{
    struct health_route *t, *tmp;

    if (clock_mono_ms() - h->sent_ms < h->env->cfg->routing_breaker_window_ms)
        return;
    HASH_ITER(hh, h->routes, t, tmp) { t->tell = (struct health_tally){0}; }
}

void health_sync(struct health *h)
{
    health_look_all(h);
    if (!redis_is_ready(h->env->redis))
        forget_old_counts(h);
    else if (!h->waiting &&
             (h->urgent || has_something_to_send(h) || (must_hear(h) && !h->beat_ms)))
        send_sync(h);
}

static void health_sync_on_timer(void *arg)
{
    struct health *h = arg;

    h->timer = NULL;
    if (h->urgent && !h->waiting && redis_is_ready(h->env->redis))
        send_sync(h);
}

void health_sync_soon(struct health *h)
{
    int64_t wait = h->sent_ms + SOON_MS - clock_mono_ms();

    h->urgent = true;
    if (!h->timer && !h->waiting && redis_is_ready(h->env->redis))
        h->timer = loop_after(h->env->loop, max64(wait, 0), health_sync_on_timer, h);
}

void health_sync_done(struct health *h) { loop_cancel(&h->timer); }
