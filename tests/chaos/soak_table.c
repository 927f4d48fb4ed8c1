/* soak_table.c - least squares: is a series flat? */
#include "tests/chaos/soak.h"

struct trend trend_of(const struct series *s, size_t from)
{
    double sx = 0, sy = 0, sxx = 0, sxy = 0, n = (double)(s->n - from), slope = 0, mean;
    struct trend t = {.min = s->v[from], .max = s->v[from]};

    for (size_t i = from; i < s->n; i++) {
        double x = (double)(i - from), y = s->v[i];

        sx += x;
        sy += y;
        sxx += x * x;
        sxy += x * y;
        t.min = y < t.min ? y : t.min;
        t.max = y > t.max ? y : t.max;
    }
    mean = sy / n;
    if (n * sxx - sx * sx > 0)
        slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
    t.first = mean - slope * (n - 1) / 2;
    t.last = mean + slope * (n - 1) / 2;
    t.slope_percent = mean > 0 ? 100 * (t.last - t.first) / mean : 0;
    t.spread_percent = mean > 0 ? 50 * (t.max - t.min) / mean : 0;
    return t;
}
