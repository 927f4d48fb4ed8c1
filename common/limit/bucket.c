/* bucket.c - see bucket.h: reading, writing, and looking ahead.
 *
 * `advance` and lua/limit.lua do the same sums; tests/unit/test_limit_script.c compares them. */
#include "common/limit/bucket.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/parse.h"

static const double weights[BUCKET_CLASSES] = {16, 4, 1};
#define NEVER_US  (INT64_MAX / 2)
#define NEAR      1e-6 /* of a ticket: sums of doubles */
#define FOREVER_S 1e15

/* ---- reading ---- */

static bool next_whole(struct span *text, int64_t *ret)
{
    double v;

    if (!parse_next_double(text, &v))
        return false;
    *ret = (int64_t)v;
    return true;
}

static bool read_lane(struct span *text, struct bucket_lane *l)
{
    bool ok = parse_next_double(text, &l->rate) && parse_next_double(text, &l->credit);

    for (int k = 0; ok && k < BUCKET_CLASSES; k++)
        ok = parse_next_double(text, &l->pos[k]) && parse_next_double(text, &l->issued[k]);
    return ok;
}

bool bucket_read(struct span text, struct bucket *ret)
{
    struct bucket b = {0};
    int64_t version;

    if (!text.p || !next_whole(&text, &version) || version != 1 || !next_whole(&text, &b.at_us) ||
        !next_whole(&text, &b.pause_us) || !next_whole(&text, &b.epoch) ||
        !next_whole(&text, &b.cuts) || !parse_next_double(&text, &b.sent[BUCKET_CALLS]) ||
        !parse_next_double(&text, &b.sent[BUCKET_TOKENS]) || !parse_next_double(&text, &b.refused))
        return false;
    for (int i = 0; i < BUCKET_LANES; i++)
        if (!read_lane(&text, &b.lane[i]))
            return false;
    if (text.n > 0) { /* the blank */
        text.p++;
        text.n--;
    }
    if (text.n >= sizeof b.control)
        return false;
    memcpy(b.control, text.p, text.n);
    *ret = b;
    return true;
}

void bucket_write(const struct bucket *b, struct buf *ret)
{
    buf_printf(ret, "1 %lld %lld %lld %lld %.0f %.0f %.0f", (long long)b->at_us,
               (long long)b->pause_us, (long long)b->epoch, (long long)b->cuts,
               b->sent[BUCKET_CALLS], b->sent[BUCKET_TOKENS], b->refused);
    for (int i = 0; i < BUCKET_LANES; i++) {
        buf_printf(ret, " %.9g %.6f", b->lane[i].rate, b->lane[i].credit);
        for (int k = 0; k < BUCKET_CLASSES; k++)
            buf_printf(ret, " %.6f %.6f", b->lane[i].pos[k], b->lane[i].issued[k]);
    }
}

bool bucket_read_place(struct span progress, char *name, size_t size, struct bucket_ticket *ret)
{
    struct span bucket = {NULL, 0}, class = {NULL, 0}, calls = {NULL, 0}, tokens = {NULL, 0},
                took = {NULL, 0};
    const struct json_want wants[] = {{"bucket", &bucket},
                                      {"class", &class},
                                      {"calls", &calls},
                                      {"tokens", &tokens},
                                      {"took", &took}};
    struct bucket_ticket t = {0};
    int64_t k = -1;

    if (!progress.n || !json_pick(progress.p, progress.n, wants, ARRAY_LEN(wants)) ||
        !json_read_text(bucket, name, size) || !json_read_int(class, &k) || k < 0 ||
        k >= BUCKET_CLASSES || !json_read_double(calls, &t.number[BUCKET_CALLS]) ||
        !json_read_double(tokens, &t.number[BUCKET_TOKENS]) || t.number[BUCKET_CALLS] <= 0)
        return false;
    if (!json_read_double(took, &t.took) || t.took < 0) /* of an earlier version */
        t.took = 0;
    t.class = (enum bucket_class)k;
    *ret = t;
    return true;
}

/* ---- moving ---- */

bool bucket_is_queued(const struct bucket_lane *l)
{
    for (int k = 0; k < BUCKET_CLASSES; k++)
        if (l->issued[k] - l->pos[k] > NEAR)
            return true;
    return false;
}

static double waiting_weight(const struct bucket_lane *l)
{
    double sum = 0;

    for (int k = 0; k < BUCKET_CLASSES; k++)
        if (l->issued[k] - l->pos[k] > NEAR)
            sum += weights[k];
    return sum;
}

/* Let at most `work` tickets pass, until a class has none left that wait; returns how many did. */
static double pass(struct bucket_lane *l, double work)
{
    double sum = waiting_weight(l), step = work;

    for (int k = 0; k < BUCKET_CLASSES; k++) {
        double left = l->issued[k] - l->pos[k];

        if (left > NEAR && left * sum / weights[k] < step)
            step = left * sum / weights[k];
    }
    for (int k = 0; k < BUCKET_CLASSES; k++)
        if (l->issued[k] - l->pos[k] > NEAR)
            l->pos[k] += step * weights[k] / sum;
    return step;
}

static void advance_lane(struct bucket_lane *l, double s)
{
    double work = l->rate * s, most = l->rate * BUCKET_BURST_S;

    if (l->rate <= 0) { /* no limit */
        memcpy(l->pos, l->issued, sizeof l->pos);
        return;
    }
    for (int i = 0; i < BUCKET_CLASSES && work > 0 && waiting_weight(l) > 0; i++)
        work -= pass(l, work);
    most = most > 1 ? most : 1;
    if (work > 0)
        l->credit = l->credit + work < most ? l->credit + work : most;
}

void bucket_advance(struct bucket *b, int64_t now_us)
{
    int64_t from = max64(b->at_us, b->pause_us);

    if (now_us > from)
        for (int i = 0; i < BUCKET_LANES; i++)
            advance_lane(&b->lane[i], (double)(now_us - from) / 1e6);
    if (now_us > b->at_us)
        b->at_us = now_us;
}

/* ---- looking ahead ---- */

/* Seconds until pos[k] is at the ticket. */
static double wait_s(struct bucket_lane l, enum bucket_class k, double ticket)
{
    double s = 0;

    if (ticket > l.issued[k] + NEAR)
        return FOREVER_S;
    for (int i = 0; i <= BUCKET_CLASSES && ticket - l.pos[k] > NEAR; i++) {
        double need = (ticket - l.pos[k]) * waiting_weight(&l) / weights[k];

        s += pass(&l, need) / l.rate;
    }
    return s;
}

int64_t bucket_wait_us(const struct bucket *b, const struct bucket_ticket *t)
{
    double longest = 0;
    int64_t pause = b->pause_us > b->at_us ? b->pause_us - b->at_us : 0;

    for (int i = 0; i < BUCKET_LANES; i++) {
        const struct bucket_lane *l = &b->lane[i];
        double s = l->rate > 0 && t->number[i] > 0 ? wait_s(*l, t->class, t->number[i]) : 0;

        longest = s > longest ? s : longest;
    }
    if (longest > (double)(NEVER_US - pause) / 1e6)
        return NEVER_US;
    return pause + (int64_t)(longest * 1e6) + (longest > 0);
}

double bucket_overdue_s(const struct bucket *b, const struct bucket_ticket *t)
{
    double least = FOREVER_S;

    for (int i = 0; i < BUCKET_LANES; i++) {
        const struct bucket_lane *l = &b->lane[i];

        if (l->rate > 0 && t->number[i] > 0) {
            double s = (l->pos[t->class] + NEAR - t->number[i]) / l->rate;

            least = s < least ? s : least;
        }
    }
    return least < FOREVER_S ? least : 0;
}
