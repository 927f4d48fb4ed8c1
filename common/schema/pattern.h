/* pattern.h - regular expressions as JSON Schema means them (ECMA-262), in bounded time.
 *
 *     struct pattern *p = pattern_new("^\\d{4}-\\d{2}$", err);
 *     int64_t steps = 100000;
 *     if (pattern_matches(p, text, n, &steps)) ...
 *
 * Anybody's patterns are matched against anybody's texts, so nothing here tries one way after
 * another: all ways go forward together, and a match costs at most the length of the text times
 * the size of the pattern.
 *
 *   known      characters, . [class] [^class], ranges, \d \w \s \D \W \S \b \B ^ $, | ( ) (?: )
 *              (?<name> ), * + ? {n} {n,} {n,m} also followed by ?, \t \n \r \f \v \0 \cX \xHH
 *              \uHHHH \u{H...}, and \ before punctuation
 *   not known  look-around, back-references, \p{...}
 *
 * Texts are UTF-8 and are matched by code points.
 */
#ifndef FLOTILLA_PATTERN_H
#define FLOTILLA_PATTERN_H

#include "common/core/base.h"
#include "common/core/err.h"

struct pattern;

/* NULL with err (kind INVALID) that says what is wrong with it, or not known. */
struct pattern *pattern_new(const char *text, struct err *err);
void pattern_free(struct pattern *p); /* NULL is fine */
/* Is there a match anywhere in the text?  *steps is lowered by what it cost; when it falls below 0
 * the answer is false. */
bool pattern_matches(struct pattern *p, const char *text, size_t n, int64_t *steps);

#endif
