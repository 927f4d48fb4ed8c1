/* slice.c - see slice.h. */
#include "worker/limit/slice.h"

#include <stdio.h>
#include <string.h>

#define NEVER_US     (INT64_MAX / 2)
#define LAPSE_S      0.5 /* an older ticket was somebody else's time */
#define AHEAD_S      0.3 /* of expected use that are kept in stock */
#define HOLD_US      INT64_C(2000000)
#define LEAST_CALLS  0.5 /* per second; less comes of pauses */
#define LEAST_TOKENS 500.0
#define IDLE_US      3000000 /* not used for this time: it is idle */
#define ANSWERED_S   0.02
#define USED_PART    0.5 /* of the rate: what is used, as reports lag behind */
/* The same of a rate that nobody has limited, when a call has waited for OPEN_US: many tickets
 * lapse when calls come in bursts. */
#define OPEN_PART 0.3
#define OPEN_US   1500000
#define TOLD_PART 0.98 /* of a stated limit that is used */

void slice_init(struct slice *l) { *l = (struct slice){.share = 0.5}; }

/* ---- stock ---- */

static double in_stock(const struct slice *l, enum bucket_lane_id lane, enum bucket_class k)
{
    double n = 0;

    for (int i = 0; i < SLICE_RANGES; i++)
        n += l->stock[lane][k][i].end - l->stock[lane][k][i].next;
    return n;
}

static bool is_limited(const struct slice *l, enum bucket_lane_id lane)
{
    return l->b.lane[lane].rate > 0;
}

/* The number of the last of n tickets, from the oldest ranges. */
static double take_from(struct slice_range *ranges, double n)
{
    double last = 0;

    for (int i = 0; i < SLICE_RANGES && n > 0; i++) {
        double part = ranges[i].end - ranges[i].next;

        part = part < n ? part : n;
        if (part <= 0)
            continue;
        ranges[i].next += part;
        n -= part;
        last = ranges[i].next;
    }
    return last;
}

bool slice_take(struct slice *l, enum bucket_class k, double tokens, struct bucket_ticket *ret)
{
    bool limited = is_limited(l, BUCKET_TOKENS);

    if (!l->heard_us || in_stock(l, BUCKET_CALLS, k) < 1 ||
        (limited && in_stock(l, BUCKET_TOKENS, k) < tokens))
        return false;
    *ret = (struct bucket_ticket){.class = k};
    ret->number[BUCKET_CALLS] = take_from(l->stock[BUCKET_CALLS][k], 1);
    l->taken[BUCKET_CALLS][k] += 1;
    l->taken[BUCKET_TOKENS][k] += tokens;
    if (limited && tokens > 0) {
        ret->number[BUCKET_TOKENS] = take_from(l->stock[BUCKET_TOKENS][k], tokens);
        ret->took = tokens;
    }
    return true;
}

void slice_return(struct slice *l, const struct bucket_ticket *t, double tokens)
{
    if (t->number[BUCKET_CALLS] > l->b.lane[BUCKET_CALLS].pos[t->class])
        l->back[BUCKET_CALLS][t->class] += 1;
    if (t->number[BUCKET_TOKENS] > l->b.lane[BUCKET_TOKENS].pos[t->class])
        l->back[BUCKET_TOKENS][t->class] += tokens;
}

static void add_range(struct slice *l, enum bucket_lane_id lane, enum bucket_class k, double n)
{
    struct slice_range *r = l->stock[lane][k];
    double end = l->b.lane[lane].issued[k];
    int i = 0, kept = 0;

    for (i = 0; i < SLICE_RANGES; i++) /* those that are used up, or of a state that is lost, go */
        if (r[i].next < r[i].end && r[i].end <= end - n + 0.001)
            r[kept++] = r[i];
    if (kept == SLICE_RANGES) {
        memmove(r, r + 1, (SLICE_RANGES - 1) * sizeof *r);
        kept--;
    }
    for (i = kept; i < SLICE_RANGES; i++)
        r[i] = (struct slice_range){0};
    if (n > 0)
        r[kept] = (struct slice_range){end - n, end};
}

/* What nobody took in time. */
static void drop_lapsed(struct slice *l)
{
    for (int lane = 0; lane < BUCKET_LANES; lane++)
        for (int k = 0; k < BUCKET_CLASSES; k++)
            for (int i = 0; i < SLICE_RANGES; i++) {
                struct slice_range *r = &l->stock[lane][k][i];
                const struct bucket_lane *b = &l->b.lane[lane];
                double oldest = b->pos[k] - LAPSE_S / 2 * b->rate;

                if (r->next < r->end && r->next < oldest)
                    r->next = r->end < oldest ? r->end : oldest;
            }
}

/* ---- time ---- */

static void slice_look(struct slice *l, int64_t now_us)
{
    bucket_advance(&l->b, now_us + l->offset_us);
}

int64_t slice_wait_us(struct slice *l, const struct bucket_ticket *t, int64_t now_us)
{
    int64_t wait;

    slice_look(l, now_us);
    wait = bucket_wait_us(&l->b, t);
    if (wait >= NEVER_US)
        return wait;
    if (bucket_overdue_s(&l->b, t) > LAPSE_S)
        return -1;
    if (l->quiet_us > now_us && wait < l->quiet_us - now_us)
        wait = l->quiet_us - now_us;
    if (l->cut && wait < l->pause_us)
        wait = max64(l->pause_us, 10000);
    return wait;
}

/* ---- what happened ---- */

void slice_sent(struct slice *l, double tokens)
{
    l->sent[BUCKET_CALLS] += 1;
    l->sent[BUCKET_TOKENS] += tokens;
}

void slice_answered(struct slice *l, int64_t epoch)
{
    if (epoch == l->b.epoch)
        l->answered += 1;
}

/* What comes back is of use where somebody waits: in the call's own class first. */
static enum bucket_class waiting_class(const struct slice *l, enum bucket_class own)
{
    const struct bucket_lane *b = &l->b.lane[BUCKET_TOKENS];

    for (int k = 0; k < BUCKET_CLASSES && b->issued[own] <= b->pos[own]; k++)
        if (b->issued[k] > b->pos[k])
            return (enum bucket_class)k;
    return own;
}

void slice_well(struct slice *l, enum bucket_class class, int64_t cuts,
                const struct slice_tokens *t)
{
    l->well |= cuts == l->b.cuts;
    l->sent[BUCKET_TOKENS] += t->used - t->estimated;
    if (is_limited(l, BUCKET_TOKENS))
        l->back[BUCKET_TOKENS][waiting_class(l, class)] += t->estimated - t->used;
}

void slice_told(struct slice *l, enum bucket_lane_id lane, double limit, int64_t quiet_us,
                int64_t now_us)
{
    if (limit > 0)
        l->told[lane] = limit;
    if (quiet_us > 0 && now_us + quiet_us > l->quiet_us)
        l->quiet_us = now_us + quiet_us;
}

void slice_overloaded(struct slice *l, int64_t now_us) { l->held_us = now_us + HOLD_US; }

/* What must have passed in the whole fleet by now. */
static double passed(const struct slice *l, enum bucket_lane_id lane, int64_t now_us)
{
    double s = (double)(now_us - l->heard_us) / 1e6, guess = l->b.lane[lane].rate * s;

    return l->b.sent[lane] - (lane == BUCKET_CALLS ? l->b.refused : 0) +
           (guess > l->sent[lane] ? guess : l->sent[lane]);
}

bool slice_refused(struct slice *l, enum bucket_lane_id lane, int64_t cuts, int64_t wait_us,
                   int64_t now_us)
{
    struct rate *r = &l->next_rate[lane];
    int64_t at = now_us + l->offset_us;
    struct rate_refusal f = {.now_us = at, .well = l->b.sent[BUCKET_CALLS] - l->b.refused};

    l->refused += 1;
    if (cuts != l->b.cuts || l->cut)
        return false;
    memcpy(l->next_rate, l->rate, sizeof l->rate);
    f.passed = passed(l, lane, now_us);
    f.met = rate_met(&l->history[lane], r, at, f.passed);
    l->cut = true;
    l->pause_us = rate_pause_us(r, at, wait_us);
    f.until_us = at + l->pause_us;
    rate_cut(r, &f);
    return true;
}

/* ---- asking ---- */

static void expect(struct slice *l, int64_t now_us)
{
    double s = (double)(now_us - l->asked_us) / 1e6;

    for (int i = 0; i < BUCKET_LANES; i++)
        for (int k = 0; k < BUCKET_CLASSES; k++) {
            double f = s < 0.5 ? s / 0.5 : 1;

            l->per_s[i][k] += (l->taken[i][k] / (s > 0.001 ? s : 0.001) - l->per_s[i][k]) * f;
            l->taken[i][k] = 0;
        }
    l->asked_us = now_us;
}

/* What is waited for, and while calls go at once also what will be needed until the next round. */
static void want(const struct slice *l, double needs[BUCKET_LANES][BUCKET_CLASSES],
                 struct slice_ask *a)
{
    for (int i = 0; i < BUCKET_LANES; i++) {
        const struct bucket_lane *b = &l->b.lane[i];

        for (int k = 0; k < BUCKET_CLASSES; k++) {
            bool near = b->issued[k] - b->pos[k] < AHEAD_S * b->rate;
            double ahead = near ? AHEAD_S * l->per_s[i][k] : 0;
            double n = needs[i][k] + ahead - in_stock(l, i, k);

            a->wants[i][k] = n > 0 ? (double)(int64_t)(n + 0.999) : 0;
        }
    }
}

/* Somebody waits, and about as much passed lately as might.  And of a rate that doubles it is known
 * what came of it: answers take their time, and too many calls would be on their way before the
 * first refusal is seen. */
static bool is_used(const struct slice *l, enum bucket_lane_id lane, int64_t at)
{
    const struct bucket_lane *b = &l->b.lane[lane];
    double enough = 1 + l->b.lane[BUCKET_CALLS].rate * l->share * ANSWERED_S;
    bool open = l->rate[lane].phase == RATE_OPEN;
    bool lightly =
        rate_is_climbing(&l->rate[lane]) || (open && at - l->rate[lane].step_us >= OPEN_US);

    if (open && l->answered < enough)
        return false;
    return bucket_is_queued(b) && rate_passed_since(&l->history[lane], l->rate[lane].step_us) >=
                                      (lightly ? OPEN_PART : USED_PART) * b->rate;
}

/* One rate step, when it is due. */
static bool grow(struct slice *l, int64_t now_us)
{
    int64_t at = now_us + l->offset_us;
    bool held = now_us < l->held_us, any = false, used;

    memcpy(l->next_rate, l->rate, sizeof l->rate);
    for (int i = 0; i < BUCKET_LANES; i++) {
        if (l->well)
            any |= rate_well(&l->next_rate[i], at);
        used = is_used(l, i, at);
        any |= rate_step(&l->next_rate[i], at, l->idle_us[i], used, held);
        if (used && !held)
            l->used_us[i] = at;
        else if (at - l->used_us[i] > IDLE_US)
            l->idle_us[i] = at;
        if (l->told[i] > 0)
            any |= rate_tell(&l->next_rate[i], l->told[i] * TOLD_PART, at);
        l->told[i] = 0;
    }
    return any;
}

static void write_rates(const struct rate rates[BUCKET_LANES], struct slice_ask *a)
{
    struct buf b = BUF(BUCKET_CONTROL - 1);

    for (int i = 0; i < BUCKET_LANES; i++) {
        a->rate[i] = rates[i].rate;
        if (i > 0)
            buf_putc(&b, ' ');
        rate_write(&rates[i], &b);
    }
    snprintf(a->control, sizeof a->control, "%.*s", (int)b.n, b.p);
    buf_done(&b);
}

void slice_ask(struct slice *l, double needs[BUCKET_LANES][BUCKET_CLASSES], double start,
               int64_t now_us, struct slice_ask *a)
{
    const struct rate *rates = l->next_rate;

    *a = (struct slice_ask){.change = '-', .refused = l->refused};
    a->seen = l->heard_us ? &l->b : NULL;
    expect(l, now_us);
    if (l->heard_us)
        slice_look(l, now_us);
    want(l, needs, a);
    memcpy(a->sent, l->sent, sizeof a->sent);
    memcpy(a->back, l->back, sizeof a->back);
    if (!l->heard_us) {
        rate_init(&l->next_rate[BUCKET_CALLS], start, LEAST_CALLS, 0);
        rate_none(&l->next_rate[BUCKET_TOKENS], LEAST_TOKENS);
    } else if (l->cut || grow(l, now_us)) {
        a->change = l->cut ? 'c' : 'g';
        a->expects = l->cut ? l->b.cuts : l->b.epoch;
        a->pause_us = l->cut ? l->pause_us : 0;
    } else {
        rates = l->rate;
    }
    write_rates(rates, a);
    l->refused = 0;
    l->well = false;
    memset(l->sent, 0, sizeof l->sent);
    memset(l->back, 0, sizeof l->back);
}

static void read_control(struct slice *l)
{
    struct span text = {l->b.control, strlen(l->b.control)};
    bool ok = true; /* of another version is all of it */

    for (int i = 0; i < BUCKET_LANES; i++) {
        double lowest = i == BUCKET_TOKENS ? LEAST_TOKENS : LEAST_CALLS;

        ok = ok && rate_read(&text, &l->rate[i]);
        if (!ok && l->b.lane[i].rate > 0)
            rate_init(&l->rate[i], l->b.lane[i].rate, lowest, l->b.at_us);
        else if (!ok)
            rate_none(&l->rate[i], lowest);
    }
}

bool slice_hear(struct slice *l, const struct slice_ask *a, struct span text, int64_t now_us)
{
    struct bucket b;

    if (!bucket_read(text, &b))
        return false;
    if (l->cut && (b.cuts != l->b.cuts || a->change == 'c'))
        l->cut = false;
    if (l->heard_us && b.sent[BUCKET_CALLS] > l->b.sent[BUCKET_CALLS]) {
        double part = a->sent[BUCKET_CALLS] / (b.sent[BUCKET_CALLS] - l->b.sent[BUCKET_CALLS]);

        l->share += 0.2 * ((part < 1 ? part : 1) - l->share);
    }
    if (b.epoch != l->b.epoch)
        l->answered = 0;
    if (b.sent[BUCKET_CALLS] < l->b.sent[BUCKET_CALLS]) /* another bucket: its sums are others */
        memset(l->history, 0, sizeof l->history);
    l->b = b;
    l->offset_us = b.at_us - now_us;
    l->heard_us = now_us;
    read_control(l);
    for (int i = 0; i < BUCKET_LANES; i++) {
        rate_note(&l->history[i], b.at_us, b.sent[i] - (i == BUCKET_CALLS ? b.refused : 0));
        for (int k = 0; k < BUCKET_CLASSES; k++)
            add_range(l, i, k, a->wants[i][k]);
    }
    drop_lapsed(l);
    return true;
}

void slice_lost(struct slice *l, const struct slice_ask *a, int64_t now_us)
{
    l->refused += a->refused;
    for (int i = 0; i < BUCKET_LANES; i++) {
        l->sent[i] += a->sent[i];
        for (int k = 0; k < BUCKET_CLASSES; k++)
            l->back[i][k] += a->back[i][k];
    }
    if (a->change != 'c' || !l->cut)
        return;
    l->cut = false; /* other processes may not know of it yet: it holds here */
    memcpy(l->rate, l->next_rate, sizeof l->rate);
    for (int i = 0; i < BUCKET_LANES; i++)
        l->b.lane[i].rate = a->rate[i];
    l->b.pause_us = now_us + l->offset_us + a->pause_us;
    l->b.cuts++;
}

bool slice_has_learned(const struct slice *l) { return l->b.epoch > 0 || l->cut || l->refused > 0; }

bool slice_has_news(const struct slice *l)
{
    bool news = l->refused > 0 || l->cut || l->well;

    for (int i = 0; i < BUCKET_LANES; i++) {
        news |= l->sent[i] != 0 || l->told[i] > 0;
        for (int k = 0; k < BUCKET_CLASSES; k++)
            news |= l->back[i][k] != 0;
    }
    return news;
}
