/* rate_blocked.c - refusals that are not about the rate.
 *
 *      r │ ────── before      ┌─ climbs back, as TCP's slow start does up to its ssthresh
 *        │       │           _│───── and goes on under the line of before
 *        │       │          / first success
 *        │       └ . . . . |  BLOCKED: a probe or two after each pause
 *        └────────────────────────────────▶ t
 *
 * One that comes a second or more after another, and nothing passed between, shows no limit; nor
 * does one of a lane whose rate was hardly used, once in ten minutes (refused again, it may be a
 * limit of bursts).  Then nothing is learned: the lane is BLOCKED.  It probes, a few calls after
 * each pause, which lasts as long as the server asks and at least an eighth of the time since the
 * first refusal (backing off as RFC 6298 does, with a smaller base).  With the first success it
 * takes what was thought before the refusals back (as RFC 4015 undoes a spurious time-out), doubles
 * up to 85 % of the rate of then, and goes on as always.  A refusal on that way up is a limit that
 * was met.  Being blocked again soon is a limit too, of a longer time than the burst that it let
 * pass: met is what passed since the first time, over all that time. */
#include "worker/limit/rate_private.h"

#define PROBE      40 /* times the least rate, while it is blocked */
#define PROBE_IDLE 10 /* times it, at least, of a rate that was low before */
#define QUIET_US   INT64_C(300000)
#define QUIET_PART 8 /* the part of the time since the first strike that a pause lasts */
#define QUIET_MAX  INT64_C(30000000)
#define CLIMB_FROM 16   /* the part of the rate of before, at which it begins */
#define BACK       0.85 /* up to so much of it */
#define IDLE       0.3  /* of the rate: when less was used, it was not what was refused */
#define IDLE_US    INT64_C(3000000)   /* after a cut */
#define IDLE_AGAIN INT64_C(600000000) /* at most once in this time */
#define SOON       10 /* times as long as it was blocked: being blocked again before is a limit */

bool rate_is_blocked(const struct rate *r) { return r->climb > 0 && r->strikes > 0; }

bool rate_is_climbing(const struct rate *r) { return r->climb > 0 && r->strikes == 0; }

int64_t rate_pause_us(const struct rate *r, int64_t now_us, int64_t told_us)
{
    int64_t quiet = r->strikes > 0 ? (now_us - r->struck_us) / QUIET_PART : 0;

    return max64(told_us > 0 ? told_us : QUIET_US, min64(quiet, QUIET_MAX));
}

/* ---- into it ---- */

void blocked_note(struct rate *r, const struct rate_refusal *f)
{
    r->struck_us = f->now_us;
    r->before = r->rate;
    r->was = r->phase;
    r->back = r->line;
    r->climb = 0; /* it was on its way */
}

/* It was blocked not long ago. */
static bool soon(const struct rate *r, int64_t now_us)
{
    int64_t lasted = r->end_us - r->mark_us;

    return r->mark_us > 0 &&
           now_us - r->end_us < SOON * (lasted > RATE_SAME_US ? lasted : RATE_SAME_US);
}

static void block(struct rate *r, const struct rate_refusal *f)
{
    double probe;

    r->climb = rate_greater(BACK * rate_greater(r->before, r->rate), r->least);
    probe = rate_greater(r->climb, PROBE_IDLE * r->least);
    r->rate = rate_bounded(r, rate_lesser(PROBE * r->least, probe), f->now_us);
    if (r->mark_us < r->struck_us) {
        r->mark_us = r->struck_us;
        r->mark_passed = f->passed;
    }
}

/* It passed so much over a long time, and the burst that it let pass says nothing. */
static void meet(struct rate *r, const struct rate_refusal *f)
{
    double s = (double)(f->now_us - r->mark_us) / 1e6;

    r->phase = RATE_KNOWN;
    r->line = (struct rate_line){0};
    moving_begin(&r->line, rate_greater((f->passed - r->mark_passed) / s, r->least));
    r->rate = rate_bounded(r, r->line.met / 2, f->now_us);
}

/* The lane's rate did not move for a while, as it was hardly used; so it is not what was refused.
 * Once: what is refused again and again has another reason, though it may be one of bursts. */
static bool idle(const struct rate *r, const struct rate_refusal *f)
{
    return r->phase != RATE_NONE && f->met.low < IDLE * r->rate && r->step_us > 0 &&
           f->now_us - r->step_us > IDLE_US && f->now_us - r->cut_us > IDLE_US &&
           (!r->mark_us || f->now_us - r->mark_us > IDLE_AGAIN);
}

bool blocked_by(struct rate *r, const struct rate_refusal *f)
{
    bool late = r->strikes > 1 && f->now_us - r->struck_us >= RATE_SAME_US;

    if (!(r->strikes > 1 && r->climb > 0) && !late && !(r->strikes == 1 && idle(r, f)))
        return false;
    if (r->climb <= 0 && r->mark_us < r->struck_us && soon(r, r->struck_us))
        meet(r, f);
    else
        block(r, f);
    return true;
}

/* ---- and out of it ---- */

static void take_back(struct rate *r)
{
    r->phase = r->was;
    r->line = r->back;
    if (r->phase != RATE_KNOWN)
        return;
    if (r->line.unsure > 0)
        steady_sweep_from(&r->line, r->climb);
    else
        moving_sweep_from(&r->line, r->climb);
}

bool rate_well(struct rate *r, int64_t now_us)
{
    bool blocked = rate_is_blocked(r), news = r->strikes > 0;
    double from;

    r->strikes = 0;
    if (!blocked)
        return news;
    r->end_us = now_us;
    r->step_us = now_us;
    take_back(r);
    from = rate_greater(r->climb / CLIMB_FROM, r->rate);
    r->rate = rate_bounded(r, rate_lesser(from, r->climb), now_us);
    return true;
}
