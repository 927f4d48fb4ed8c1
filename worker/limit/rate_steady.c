/* rate_steady.c - the way to a limit that stays where it is: fixed windows, plain buckets.
 *
 *      met + 1/2 |           . '|             .  '|              after each refusal the sweep is
 *      met       |       . '    |     .  '        |    .   '     as wide and as steep as met is
 *      met - all |   . '        | '               | '            unsure
 *                └──────────────┴─────────────────┴─────────▶ t
 *
 * One refusal cannot distinguish a strict limit from a lower one that lets a burst pass: it only shows
 * that the limit is between two numbers (struct rate_met).  What was thought before decides: when
 * it lies between them, nothing was learned; or else the nearer one is taken.  So the sweeps come
 * to lie around any limit, with whatever burst, and become flat.  Where no refusal comes, the sweep
 * ends and the rate grows ever faster.
 *
 * A provider that cuts its limit refuses again at once.  That is how it is found out. */
#include "worker/limit/rate_private.h"

#define FIRST       0.2  /* how unsure the first one is: the rate doubled up to it */
#define AGAIN       0.12 /* and one that is tried again */
#define SUREST      0.05
#define LEAST_SURE  0.25
#define KEPT        0.5  /* at each refusal, of what it was unsure; more comes of the error */
#define SWEEP       1.0  /* s of a sweep, for one that is quite unsure; longer when it is surer */
#define SWEEP_CALLS 8.0  /* but so many calls at least */
#define OVER        0.5  /* the sweep's end, over what was met */
#define FASTER      0.3  /* how it goes on, of its length */
#define TO_LOW      0.25 /* of the way to what a burst would explain: rather low than high */
#define BRIEF_S     4.0  /* refused so soon ... */
#define BRIEF_MOST  2    /* ... so often in a row: it does not stay (once less for doubtful ones) */
#define GONE_S      3.0  /* nor when it is refused so soon ... */
#define GONE_PART   0.82 /* ... and so little passes */
#define GOOD_S      5.0  /* it stayed: what was refuted before counts no more */
#define TRIES_AFTER 16   /* refusals of a limit that moved; twice as many after each time */
#define TRIES_MOST  10   /* times that doubles */

static void start(struct rate_line *l, double unsure)
{
    l->unsure = unsure;
    l->brief = 0;
}

void steady_begin(struct rate_line *l, const struct rate_met *met)
{
    *l = (struct rate_line){.met = met->low};
    start(l, FIRST);
}

bool steady_again(struct rate_line *l, const struct rate_met *met)
{
    if (--l->wait > 0 || l->tau <= BRIEF_S)
        return false;
    start(l, AGAIN);
    l->met = met->low;
    return true;
}

double steady_target(const struct rate_line *l)
{
    double sweep_s = rate_greater(SWEEP / l->unsure, SWEEP_CALLS / l->met);
    double x = l->tau / sweep_s, y = rate_greater(x - 1, 0);

    return l->met * (1 + l->unsure * ((1 + OVER) * x - 1)) * (1 + FASTER * y * y * y * (1 + y * y));
}

void steady_sweep_from(struct rate_line *l, double goal)
{
    double lo = 0, hi = l->tau;

    for (int i = 0; i < 20; i++) {
        l->tau = (lo + hi) / 2;
        if (steady_target(l) < goal)
            lo = l->tau;
        else
            hi = l->tau;
    }
    l->tau = hi;
}

/* It does not stay: how long until that is tried again. */
static void refute(struct rate_line *l)
{
    l->wait = (double)TRIES_AFTER * (double)(1 << (int)l->refuted);
    if (l->refuted < TRIES_MOST)
        l->refuted++;
    l->unsure = 0;
}

bool steady_refused(struct rate_line *l, const struct rate_met *met)
{
    double now = rate_between(l->met, met->low, met->high), error;

    now += TO_LOW * (met->low - now);
    l->brief = l->tau < BRIEF_S ? l->brief + 1 : 0;
    if (l->brief > BRIEF_MOST - (l->refuted > 0) ||
        (l->tau < GONE_S && met->high < GONE_PART * l->met)) {
        refute(l);
        return false;
    }
    if (l->tau > GOOD_S)
        l->refuted = rate_lesser(l->refuted, 1);
    error = rate_greater(now - l->met, l->met - now) / l->met;
    l->unsure = rate_between(KEPT * (l->unsure + error), SUREST, LEAST_SURE);
    l->met = now;
    return true;
}
