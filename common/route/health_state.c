/* health_state.c - the judge of a route's breaker; see health_state.h for the picture.
 *
 * A route opens for the first of these that holds (why):
 *
 *   failures in a row     weight of the streak >= routing.breaker_failures whole ones; for the
 *                         fleet, after every process could report a good answer (settle_ms)
 *   a share of failures   of at least min_calls of the last calls
 *   slowness              p50 of at least min_calls of the last latencies over
 *                         slow_factor x the norm (until there is one: what is
 *                         expected), and over slow_min_ms
 *
 * The norm follows the p50 of the generations slowly (NORM_MS), and only while
 * the route is closed.  A route that stays slow must not stay open for ever: each
 * slow probe raises the norm a little, until the latency is the norm.
 *
 * The pause before a probe doubles with each failed one, from probe_min_ms to
 * probe_max_ms, with jitter.  A route that opens again soon after it was closed
 * continues with its last pause.  Another reason to open is another case in
 * why(). */
#include "common/route/health_state.h"

#include <stdio.h>
#include <string.h>

#include "common/route/health_parts.h"

enum {
    GENERATION_MS = 1000,
    NORM_MS = 600000,
    NORM_CALLS = 100, /* until then the norm is the mean of what was seen */
    NORM_RAISE_PERCENT = 2,
    BLEND_PERCENT = 30, /* weight of a full generation in p50_ms */
    OPENINGS_MS = 3600000,
    LEASE_MAX_MS = 120000,
    LEASE_NORMS = 4,
    LEASE_PAUSES = 3,
    LEVEL_KEPT_PAUSES = 12 /* closed for longer: the next pause is the shortest */
};

int64_t health_median(const struct health_state *s)
{
    return s->p50_ms > 0 ? s->p50_ms : health_tally_percentile(&s->now, 50);
}

/* ---- why ---- */

int64_t health_slow_ms(const struct health_state *s, const struct health_rules *rules)
{
    int64_t base = s->norm_calls >= rules->min_calls ? s->norm_ms : rules->expected_ms;

    return base > 0 ? max64(base * rules->slow_factor, rules->slow_min_ms) : 0;
}

struct cause {
    enum health_reason reason; /* HEALTH_FINE: none */
    enum { STREAK, SHARE, SLOWNESS } by;
    struct health_tally last; /* the calls that it is judged by */
    int64_t from_ms, p50_ms;
};

/* A generation that was empty for long, or a new record, counts as half a window old at most. */
static int64_t begun_ms(const struct health_state *s, const struct health_rules *rules,
                        int64_t now_ms)
{
    return max64(s->begun_ms, now_ms - rules->window_ms / 2);
}

/* The last calls: this generation, and the one before while this one is young. */
static void last_calls(const struct health_state *s, const struct health_rules *rules,
                       int64_t now_ms, struct cause *c)
{
    bool few =
        s->now.calls < rules->min_calls && health_tally_latencies(&s->now) < rules->min_calls;

    c->last = s->now;
    c->from_ms = begun_ms(s, rules, now_ms);
    if (few && s->before_ms >= now_ms - rules->window_ms && s->before_ms > 0) {
        c->last = s->before;
        health_tally_add(&c->last, &s->now);
        c->from_ms = s->before_ms;
    }
}

static struct cause why(const struct health_state *s, const struct health_rules *rules,
                        int64_t now_ms)
{
    struct cause c = {.reason = HEALTH_FINE};
    int64_t slow_ms = health_slow_ms(s, rules);

    last_calls(s, rules, now_ms, &c);
    if (s->now.streak >= rules->failures * HEALTH_WHOLE &&
        now_ms - s->now.streak_ms >= rules->settle_ms) {
        c.by = STREAK;
        c.reason = health_kind_reason(health_tally_mostly(&c.last));
    } else if (c.last.calls >= rules->min_calls &&
               health_tally_weight(&c.last) * 100 >=
                   c.last.calls * rules->errors_percent * HEALTH_WHOLE) {
        c.by = SHARE;
        c.reason = health_kind_reason(health_tally_mostly(&c.last));
    } else if (slow_ms > 0 && health_tally_latencies(&c.last) >= rules->min_calls) {
        c.by = SLOWNESS;
        c.p50_ms = health_tally_percentile(&c.last, 50);
        c.reason = c.p50_ms > slow_ms ? HEALTH_SLOW : HEALTH_FINE;
    }
    return c;
}

/* ---- the breaker ---- */

/* A new state of the breaker: what was counted before it does not count in it. */
static void shift(struct health_state *s, enum health_breaker to, int64_t now_ms)
{
    s->breaker = to;
    s->owner[0] = '\0';
    s->since_ms = s->begun_ms = now_ms;
    s->before_ms = 0;
    s->now = s->before = (struct health_tally){0};
    s->seq++;
}

static int64_t pause_ms(const struct health_state *s, const struct health_rules *rules,
                        int64_t (*below)(int64_t bound))
{
    int64_t p = rules->probe_min_ms;

    for (int64_t i = 0; i < s->level && p < rules->probe_max_ms; i++)
        p *= 2;
    p = min64(p, rules->probe_max_ms);
    return p / 2 + below(p - p / 2 + 1);
}

static void count_opening(struct health_state *s, int64_t now_ms)
{
    if (now_ms - s->openings_ms >= OPENINGS_MS) {
        s->openings = 0;
        s->openings_ms = now_ms;
    }
    s->openings++;
}

static void open_it(struct health_state *s, enum health_reason reason,
                    const struct health_rules *rules, int64_t now_ms,
                    int64_t (*below)(int64_t bound))
{
    if (now_ms - s->since_ms > LEVEL_KEPT_PAUSES * rules->probe_max_ms)
        s->level = 0;
    s->reason = reason;
    count_opening(s, now_ms);
    shift(s, HEALTH_OPEN, now_ms);
    s->next_ms = now_ms + pause_ms(s, rules, below);
}

void health_put_back(struct health_state *s, int64_t now_ms)
{
    s->reason = HEALTH_FINE;
    s->next_ms = 0;
    if (s->norm_ms > 0 && s->p50_ms > s->norm_ms)
        s->p50_ms = s->norm_ms; /* what was measured while it was slow is over */
    shift(s, HEALTH_CLOSED, now_ms);
}

void health_take_out(struct health_state *s, const struct health_rules *rules, int64_t now_ms)
{
    if (s->reason != HEALTH_GONE)
        count_opening(s, now_ms);
    s->reason = HEALTH_GONE;
    shift(s, HEALTH_OPEN, now_ms);
    s->next_ms = now_ms + rules->gone_ms;
}

/* ---- generations ---- */

static int64_t blend(int64_t old, int64_t new_, double weight)
{
    return old > 0 ? (int64_t)((double)old + weight * (double)(new_ - old) + 0.5) : new_;
}

static void learn_norm(struct health_state *s, int64_t p50, int64_t n, int64_t lasted_ms)
{
    double by_time = (double)min64(lasted_ms, NORM_MS) / NORM_MS;
    double by_count = s->norm_calls < NORM_CALLS ? (double)n / (double)(s->norm_calls + n) : 0;

    s->norm_ms = max64(1, blend(s->norm_ms, p50, by_time > by_count ? by_time : by_count));
    s->norm_calls = min64(s->norm_calls + n, NORM_CALLS);
}

static void learn(struct health_state *s, const struct health_rules *rules, int64_t lasted_ms)
{
    int64_t n = health_tally_latencies(&s->now), p50 = health_tally_percentile(&s->now, 50);
    double weight =
        BLEND_PERCENT / 100.0 * (double)min64(n, rules->min_calls) / (double)rules->min_calls;

    if (n == 0)
        return;
    s->p50_ms = blend(s->p50_ms, p50, weight);
    if (s->breaker == HEALTH_CLOSED)
        learn_norm(s, p50, n, lasted_ms);
}

static void turn(struct health_state *s, const struct health_rules *rules, int64_t now_ms)
{
    int64_t begun = begun_ms(s, rules, now_ms);

    learn(s, rules, now_ms - begun);
    s->before = s->now;
    s->before_ms = begun;
    s->now = (struct health_tally){
        .streak = s->before.streak, .streak_ms = s->before.streak_ms, .good_ms = s->before.good_ms};
    s->begun_ms = now_ms;
    s->seq++;
}

bool health_turn_is_due(const struct health_state *s, const struct health_rules *rules,
                        int64_t now_ms)
{
    int64_t age = now_ms - s->begun_ms;

    return !health_tally_is_empty(&s->now) &&
           (age >= rules->window_ms / 2 ||
            (age >= GENERATION_MS && s->now.calls >= rules->min_calls));
}

/* Jobs without another route used it, and it was quick, or there, again. */
static bool is_fine_again(const struct health_state *s, const struct health_rules *rules)
{
    if (s->reason == HEALTH_GONE)
        return s->now.good_ms > s->since_ms;
    return s->reason == HEALTH_SLOW && health_tally_latencies(&s->now) >= rules->min_calls &&
           health_tally_percentile(&s->now, 50) <= health_slow_ms(s, rules);
}

enum health_verdict health_judge(struct health_state *s, const struct health_rules *rules,
                                 int64_t now_ms, int64_t (*below)(int64_t bound))
{
    if (s->breaker == HEALTH_CLOSED) {
        struct cause c = why(s, rules, now_ms);

        if (c.reason != HEALTH_FINE) {
            open_it(s, c.reason, rules, now_ms, below);
            return HEALTH_SHIFTS;
        }
    } else if (is_fine_again(s, rules)) {
        health_put_back(s, now_ms);
        return HEALTH_SHIFTS;
    }
    if (!health_turn_is_due(s, rules, now_ms))
        return HEALTH_STAYS;
    turn(s, rules, now_ms);
    return HEALTH_TURNS;
}

/* ---- probes ---- */

bool health_probe_is_due(const struct health_state *s, int64_t now_ms)
{
    return s->breaker != HEALTH_CLOSED && now_ms >= s->next_ms;
}

/* A probe that takes much longer than usual counts as lost, like that of a dead process. */
void health_probe_begin(struct health_state *s, const char *owner, const struct health_rules *rules,
                        int64_t now_ms)
{
    int64_t lease = max64(LEASE_PAUSES * rules->probe_max_ms,
                          LEASE_NORMS * max64(s->norm_ms, rules->expected_ms));

    s->breaker = HEALTH_HALF_OPEN;
    snprintf(s->owner, sizeof s->owner, "%s", owner);
    s->next_ms = now_ms + min64(lease, LEASE_MAX_MS);
    s->seq++;
}

void health_probe_release(struct health_state *s, int64_t now_ms)
{
    s->breaker = HEALTH_OPEN;
    s->owner[0] = '\0';
    s->next_ms = now_ms;
    s->seq++;
}

void health_probe_end(struct health_state *s, enum health_probe how,
                      const struct health_rules *rules, int64_t now_ms,
                      int64_t (*below)(int64_t bound))
{
    if (how == HEALTH_PROBE_GOOD) {
        health_put_back(s, now_ms);
        return;
    }
    if (how == HEALTH_PROBE_BAD) {
        s->level = min64(s->level + 1, 32);
        if (s->reason == HEALTH_SLOW)
            s->norm_ms += s->norm_ms * NORM_RAISE_PERCENT / 100 + 1;
    }
    s->breaker = HEALTH_OPEN;
    s->owner[0] = '\0';
    s->next_ms =
        now_ms + (s->reason == HEALTH_GONE ? rules->probe_max_ms : pause_ms(s, rules, below));
    s->seq++;
}

/* ---- for people ---- */

void health_say_why(const struct health_state *s, const struct health_rules *rules, int64_t now_ms,
                    struct buf *b)
{
    struct cause c = why(s, rules, now_ms);
    enum health_kind kind = health_tally_mostly(&c.last);
    int64_t seconds = max64(1, (now_ms - c.from_ms + 500) / 1000);
    int64_t norm = s->norm_calls >= rules->min_calls ? s->norm_ms : rules->expected_ms;

    if (c.reason == HEALTH_FINE)
        return;
    if (c.by == SLOWNESS)
        buf_printf(b, "p50 is %lld ms over %lld calls, its norm is %lld ms", (long long)c.p50_ms,
                   (long long)health_tally_latencies(&c.last), (long long)norm);
    else if (c.by == STREAK)
        buf_printf(b, "the last %lld calls failed",
                   (long long)(s->now.streak / health_kind_weight(kind)));
    else
        buf_printf(b, "%lld of %lld calls failed in %lld s",
                   (long long)health_tally_failures(&c.last), (long long)c.last.calls,
                   (long long)seconds);
    if (c.by != SLOWNESS && kind != HEALTH_KIND_NONE)
        buf_printf(b, " (%s)", err_code(health_kind_err(kind)));
}
