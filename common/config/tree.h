/* tree.h - a JSON text as jansson's tree, whatever numbers are in it.
 *
 * jansson refuses integers beyond int64_t ("maximum": 18446744073709551615, a provider's seed)
 * and numbers beyond a double.  They are JSON all the same, and most of them only pass through
 * here.  Here such a number becomes the nearest double (at most DBL_MAX), or, for a text that
 * tells documents apart, the string of U+0000 and its digits.
 *
 * The text is parsed as it is first: one without such numbers costs nothing more.
 */
#ifndef FLOTILLA_TREE_H
#define FLOTILLA_TREE_H

#include "common/core/base.h"

struct json_t;
struct json_error_t;

enum tree_numbers { TREE_NEAREST, TREE_VERBATIM };

/* The tree (the caller's), or NULL with *at; flags: jansson's for decoding.
 * *ret_beyond, unless ret_beyond is NULL: there was such a number. */
struct json_t *tree_load(struct span text, size_t flags, enum tree_numbers numbers,
                         bool *ret_beyond, struct json_error_t *at);

#endif
