/* limit_mirror.c - see limit_mirror.h. */
#include "tests/unit/limit_mirror.h"

#include <stdio.h>
#include <string.h>

#include "common/io/redis.h"

static double least(double a, double b) { return a < b ? a : b; }

static void begin(struct bucket *b, const struct slice_ask *a, int64_t now_us)
{
    *b = a->seen ? *a->seen : (struct bucket){.at_us = now_us};
    memcpy(b->control, a->control, sizeof b->control);
    for (int i = 0; i < BUCKET_LANES; i++) {
        b->lane[i].rate = a->rate[i];
        if (!a->seen)
            b->lane[i].credit = a->rate[i] * BUCKET_BURST_S > 1 ? a->rate[i] * BUCKET_BURST_S : 1;
    }
}

static void change(struct bucket *b, const struct slice_ask *a, int64_t now_us)
{
    if (a->change == '-' || a->expects != (a->change == 'g' ? b->epoch : b->cuts))
        return;
    for (int i = 0; i < BUCKET_LANES; i++)
        b->lane[i].rate = a->rate[i];
    memcpy(b->control, a->control, sizeof b->control);
    b->epoch++;
    if (a->change == 'g')
        return;
    b->cuts++;
    if (now_us + a->pause_us > b->pause_us)
        b->pause_us = now_us + a->pause_us;
}

static void take(struct bucket_lane *l, int k, double n, double back)
{
    double used = l->rate > 0 ? least(l->credit, n) : n;

    if (l->rate > 0)
        l->credit -= used;
    l->issued[k] += n;
    l->pos[k] = least(l->pos[k] + back + used, l->issued[k]);
}

static void print(const struct bucket *b, char *text)
{
    struct buf out = BUF(BUCKET_TEXT - 1);

    bucket_write(b, &out);
    buf_printf(&out, " %s", b->control);
    memcpy(text, out.p, out.n + 1);
    buf_done(&out);
}

void mirror_ask(struct mirror *m, const struct slice_ask *a, int64_t now_us, char *text)
{
    struct bucket *b = &m->b;

    if (!m->there)
        begin(b, a, now_us);
    m->there = true;
    bucket_advance(b, now_us);
    for (int i = 0; i < BUCKET_LANES; i++)
        b->sent[i] += a->sent[i];
    b->refused += a->refused;
    change(b, a, now_us);
    for (int i = 0; i < BUCKET_LANES; i++)
        for (int k = 0; k < BUCKET_CLASSES; k++)
            take(&b->lane[i], k, a->wants[i][k], a->back[i][k]);
    print(b, text);
}

static void add(struct redis_args *a, const double *v, int n)
{
    for (int i = 0; i < n; i++)
        redis_arg_int(a, (int64_t)v[i]);
}

void mirror_args(const struct slice_ask *k, const char *field, struct redis_args *ret)
{
    struct buf seen = BUF(BUCKET_TEXT);
    char text[32];

    redis_arg_str(ret, field);
    add(ret, k->sent, BUCKET_LANES);
    add(ret, &k->refused, 1);
    add(ret, k->wants[BUCKET_CALLS], BUCKET_CLASSES);
    add(ret, k->wants[BUCKET_TOKENS], BUCKET_CLASSES);
    add(ret, k->back[BUCKET_CALLS], BUCKET_CLASSES);
    add(ret, k->back[BUCKET_TOKENS], BUCKET_CLASSES);
    redis_arg(ret, &k->change, 1);
    redis_arg_int(ret, k->expects);
    redis_arg_int(ret, k->pause_us);
    for (int i = 0; i < BUCKET_LANES; i++) {
        snprintf(text, sizeof text, "%.9g", k->rate[i]);
        redis_arg_str(ret, text);
    }
    redis_arg_str(ret, k->control);
    if (k->seen)
        bucket_write(k->seen, &seen);
    redis_arg(ret, seen.p, seen.n);
    buf_done(&seen);
}
