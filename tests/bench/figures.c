/* figures.c - samples and clocks. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "tests/bench/bench.h"

void samples_add(struct samples *s, double v)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 64;
        s->v = realloc(s->v, s->cap * sizeof *s->v);
        if (!s->v)
            abort();
    }
    s->v[s->n++] = v;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double samples_at(struct samples *s, double share)
{
    size_t i = (size_t)(share * (double)s->n);

    if (s->n == 0)
        return 0;
    qsort(s->v, s->n, sizeof *s->v, by_size);
    return s->v[i < s->n ? i : s->n - 1];
}

void samples_done(struct samples *s)
{
    free(s->v);
    *s = (struct samples){0};
}

static int64_t us(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t wall_us(void) { return us(CLOCK_REALTIME); }
int64_t mono_us(void) { return us(CLOCK_MONOTONIC); }

void sleep_until_us(int64_t at)
{
    struct timespec t = {at / 1000000, at % 1000000 * 1000};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}
