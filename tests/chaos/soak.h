/* soak.h - a steady, mixed load for minutes: what the files of the soak share.
 *
 *   soak.c        the world, the loop, the verdict
 *   soak_load.c   documents in, results out, latencies
 *   soak_table.c  series of samples: their table, their trend
 */
#ifndef FLOTILLA_CHAOS_SOAK_H
#define FLOTILLA_CHAOS_SOAK_H

#include <hiredis/hiredis.h>

#include "common/core/base.h"

/* ---- soak_load.c ------------------------------------------------------------ */
struct load;
/* Its own connection to a unix socket.  rate: documents per second, whatever happens. */
struct load *load_new(const char *socket, const char *hook_url, int rate);
void load_free(struct load *l);
/* Push what is due by now, and read what has ended. */
void load_turn(struct load *l, int64_t now_ms);
void load_read(struct load *l);
int64_t load_pushed(const struct load *l);
int64_t load_ended(const struct load *l);
/* ms from the push of a noop to its result, at this share of those since the last call with
 * `restart`, or of all; -1: there was none. */
int64_t load_latency(struct load *l, double share, bool of_all);
void load_restart(struct load *l);
/* A hundred documents are of kinds in these shares. */
const char *load_flaky_model(void);
const char *load_throttled_model(void);

/* ---- soak_table.c ----------------------------------------------------------- */
enum { SERIES_MAX = 12, SAMPLES_MAX = 4096 };
struct series {
    char name[48];
    double v[SAMPLES_MAX];
    size_t n;
};
struct trend {
    double first, last, min, max; /* first, last: of the straight line through the samples */
    double slope_percent;         /* the line's rise over the whole time, of its mean */
    double spread_percent;        /* half of max - min, of the mean */
};
/* Of the samples from..n. */
struct trend trend_of(const struct series *s, size_t from);

#endif
