/* pattern.h - regular expressions as JSON Schema means them (ECMA-262), in bounded time.
 *
 *     struct pattern *p = pattern_new("^\\d{4}-\\d{2}$", err);
 *     int64_t steps = 100000;
 *     if (pattern_matches(p, text, n, &steps)) ...
 *
 * PCRE2 does the work.  It backtracks, and patterns and texts come from strangers, so each match
 * has a budget of steps.  A match that needs more memory than PATTERN_HEAP_KB or nests deeper than
 * PATTERN_DEPTH uses its budget up as well.
 *
 *   supported      characters, . [class] [^class], ranges, \d \w \s \D \W \S \b \B ^ $, | ( ) (?: )
 *                  (?<name> ), * + ? {n} {n,} {n,m} also followed by ?, \t \n \r \f \v \0 \cX \xHH
 *                  \uHHHH \u{H...}, and \ before punctuation
 *   not supported  look-around, back-references, \p{...}
 *
 * Texts are UTF-8 and are matched by code points.  Letters, digits and word edges are those of
 * ASCII, as in ECMA-262 without the flag i.
 */
#ifndef FLOTILLA_PATTERN_H
#define FLOTILLA_PATTERN_H

#include "common/core/base.h"
#include "common/core/err.h"

enum {
    PATTERN_NESTED = 100,       /* groups */
    PATTERN_COUNT = 1000,       /* {n,m} */
    PATTERN_HEAP_KB = 64 << 10, /* of one match, released after it */
    PATTERN_DEPTH = 1000000,
    PATTERN_CALLS = 10000000
};

struct pattern;

/* NULL with err (kind INVALID) that says what is wrong or not supported.  A compiled pattern has at
 * most 64 KB. */
struct pattern *pattern_new(const char *text, struct err *err);
void pattern_free(struct pattern *p);          /* NULL is fine */
size_t pattern_bytes(const struct pattern *p); /* its size; 0 for NULL */
/* Is there a match anywhere in the text?  *steps is lowered by what it cost.  When it falls below 0
 * the answer is unknown, and false is returned; text that is not UTF-8 counts as such a case. */
bool pattern_matches(struct pattern *p, const char *text, size_t n, int64_t *steps);

#endif
