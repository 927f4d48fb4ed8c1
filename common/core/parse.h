/* parse.h - text to numbers, bounded.  The only place that does it. */
#ifndef FLOTILLA_PARSE_H
#define FLOTILLA_PARSE_H

#include "common/core/base.h"

/* Whole text, decimal, optional '-'; false on anything else or out of bounds. */
NODISCARD bool parse_int64(const char *p, size_t n, int64_t min, int64_t max, int64_t *ret);
NODISCARD bool parse_double(const char *p, size_t n, double min, double max, double *ret);
/* The first of the numbers in `text`, one or more blanks apart, which then starts behind it.
 * False, and text as it was, when there is none or it is not within +-PARSE_NEXT_MOST
 * (so that an int64_t can hold its whole part).  text->p must not be NULL. */
#define PARSE_NEXT_MOST 1e18
NODISCARD bool parse_next_double(struct span *text, double *ret);
/* true|false|yes|no|on|off|1|0 */
NODISCARD bool parse_bool(const char *p, size_t n, bool *ret);
/* "0.15" USD -> nano-USD, exact decimal arithmetic (no double), rounded half
 * up at the 9th decimal; also accepts exponents as jansson or a catalogue
 * prints them ("1.0399999999999998", "2e-7").  False for negative amounts and
 * those over INT64_MAX nano-USD. */
NODISCARD bool parse_usd(const char *p, size_t n, int64_t *ret_nanousd);
/* Edit distance for "did you mean": smallest over names, NULL if none is near. */
const char *parse_nearest(const char *word, const char *const *names, size_t count);

#endif
