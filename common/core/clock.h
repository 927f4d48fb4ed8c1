/* clock.h - time behind a pointer, so that tests can make it pass.
 *
 * mono_* for waits and durations, wall_ms for records.  What two machines
 * compare uses Redis TIME inside the scripts, never these.
 */
#ifndef FLOTILLA_CLOCK_H
#define FLOTILLA_CLOCK_H

#include "common/core/base.h"

struct clock {
    int64_t (*mono_us)(void);
    int64_t (*wall_ms)(void);
};
extern const struct clock *clock_now; /* tests: clock_now = &fake */
extern const struct clock clock_system;

static inline int64_t clock_mono_us(void) { return clock_now->mono_us(); }
static inline int64_t clock_mono_ms(void) { return clock_now->mono_us() / 1000; }
static inline int64_t clock_wall_ms(void) { return clock_now->wall_ms(); }

/* "2026-11-22T09:56:18.123Z" into at least 25 bytes; returns text. */
char *clock_rfc3339(int64_t wall_ms, char text[25]);
/* Parse RFC 3339 (with offset or Z, fraction optional) into Unix ms. */
NODISCARD bool clock_parse_rfc3339(const char *p, size_t n, int64_t *ret_ms);
/* "20261122" (UTC) into at least 9 bytes: the name of a spend day. */
char *clock_day(int64_t wall_ms, char text[9]);

#endif
