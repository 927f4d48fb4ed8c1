/* health_propose.c - the head that this process proposes for the fleet's record of a route.
 *
 * lua/health.lua only adds up and arbitrates.  A proposal is a new head of a
 * record; it is taken if no other process was quicker (seq).  Each proposal is
 * computed from the record that was received last.  So a proposal that lost
 * its race, or was lost with the connection, needs no care: what is still true
 * is proposed again. */
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/random.h"
#include "worker/env.h"
#include "worker/route/health_private.h"

enum { UNUSED_MS = 2000 }; /* a probe that no call took is released */

int64_t health_fleet_now(const struct health *h) { return clock_mono_ms() + h->ahead_ms; }

bool health_is_fresh(const struct health *h)
{
    return h->heard_ms && clock_mono_ms() - h->heard_ms < h->env->cfg->routing_stale_ms;
}

/* After a heartbeat and a half, every live process has sent its counts. */
struct health_rules health_fleet_rules_of(const struct health *h, const struct health_route *t)
{
    struct health_rules rules = health_rules_of(h, t);

    rules.settle_ms = h->env->cfg->workers_heartbeat_ms * 3 / 2;
    if (rules.settle_ms > rules.window_ms)
        rules.settle_ms = rules.window_ms;
    return rules;
}

/* ---- proposing ---- */

bool health_is_mine(const struct health *h, const struct health_state *s)
{
    return s->breaker == HEALTH_HALF_OPEN && !strcmp(s->owner, h->env->id);
}

static bool clears(struct health_proposal *w, const char *code)
{
    w->fate = "clear";
    w->code = code;
    return true;
}

static bool propose_gone(const struct health *h, struct health_route *t, struct health_proposal *w,
                         int64_t now_ms)
{
    const struct health_rules rules = health_fleet_rules_of(h, t);
    bool known = t->fleet.reason == HEALTH_GONE;

    if (known && !health_is_mine(h, &t->fleet)) { /* another process has sent it */
        free(TAKE(t->gone));
        return false;
    }
    health_take_out(&w->next, &rules, now_ms);
    buf_puts(&w->text, t->gone);
    return clears(w, known ? NULL : "route_gone");
}

static bool propose_outcome(const struct health *h, struct health_route *t,
                            struct health_proposal *w, int64_t now_ms)
{
    const struct health_rules rules = health_fleet_rules_of(h, t);
    bool gone = t->fleet.reason == HEALTH_GONE, good = t->outcome == HEALTH_PROBE_GOOD;

    if (t->fleet.breaker == HEALTH_CLOSED || (!good && !health_is_mine(h, &t->fleet))) {
        t->has_outcome = false;
        return false;
    }
    health_probe_end(&w->next, t->outcome, &rules, now_ms, random_below);
    if (!good)
        return true;
    buf_printf(&w->text, "%s after %lld s: a probe was answered in %lld ms",
               gone ? "back" : "closed again",
               (long long)((now_ms - t->fleet.since_ms + 500) / 1000), (long long)t->outcome_ms);
    return clears(w, gone ? "route_back" : "route_closed");
}

static bool propose_verdict(const struct health *h, struct health_route *t,
                            struct health_proposal *w, int64_t now_ms)
{
    const struct health_rules rules = health_fleet_rules_of(h, t);
    struct health_tally tell = t->tell;
    bool open = t->fleet.breaker != HEALTH_CLOSED, gone = t->fleet.reason == HEALTH_GONE;

    health_tally_shift(&tell, h->ahead_ms);
    health_tally_add(&w->next.now, &tell);
    if (open)
        buf_puts(&w->text, gone ? "back: a call was answered" : "closed again: it is quick again");
    else
        health_say_why(&w->next, &rules, now_ms, &w->text);
    switch (health_judge(&w->next, &rules, now_ms, random_below)) {
    case HEALTH_STAYS: return false;
    case HEALTH_TURNS: w->fate = "turn"; return true;
    case HEALTH_SHIFTS: break;
    }
    return clears(w, gone ? "route_back" : open ? "route_closed" : "route_opened");
}

bool health_probe_is_unused(const struct health_route *t)
{
    return t->granted && clock_mono_ms() - t->granted_ms > UNUSED_MS;
}

bool health_propose(const struct health *h, struct health_route *t, struct health_proposal *w)
{
    int64_t now_ms = health_fleet_now(h);

    *w = (struct health_proposal){.next = t->fleet, .fate = "keep", .text = BUF(4096)};
    if (t->gone && propose_gone(h, t, w, now_ms))
        return true;
    if (t->has_outcome && propose_outcome(h, t, w, now_ms))
        return true;
    if (t->wants_probe && health_probe_is_due(&t->fleet, now_ms)) {
        const struct health_rules rules = health_fleet_rules_of(h, t);

        w->probe = true;
        health_probe_begin(&w->next, h->env->id, &rules, now_ms);
        return true;
    }
    t->wants_probe = false;
    if (health_probe_is_unused(t)) {
        health_probe_release(&w->next, now_ms);
        return true;
    }
    return propose_verdict(h, t, w, now_ms);
}
