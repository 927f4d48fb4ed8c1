/* tree.c - see tree.h.
 *
 *   {"maximum":18446744073709551615}   as it came
 *   {"maximum":1.8446744073709552e+19}        TREE_NEAREST
 *   {"maximum":"\u000018446744073709551615"}  TREE_VERBATIM
 *
 * The copy is made only when jansson said that a number is too large, and
 * jansson reads it as strictly as it reads the text: no other byte is changed.
 */
#include "common/config/tree.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/core/buf.h"
#include "common/core/json.h"
#include "common/core/json_scan.h"
#include "common/core/parse.h"

enum { LARGEST_GROWTH = 8 }; /* "1e999" becomes "1.7976931348623157e+308" */

/* As jansson reads it: of any length. */
static double value_of(struct span number)
{
    struct buf text = BUF(number.n + 1);
    double d = 0;

    if (buf_add_span(&text, number) && buf_putc(&text, '\0'))
        d = strtod(text.p, NULL);
    buf_done(&text);
    return d > DBL_MAX ? DBL_MAX : d < -DBL_MAX ? -DBL_MAX : d;
}

static bool is_beyond(struct span number, double d)
{
    int64_t i;

    for (size_t k = 0; k < number.n; k++)
        if (strchr(".eE", number.p[k]))
            return d >= DBL_MAX || d <= -DBL_MAX;
    return !parse_int64(number.p, number.n, INT64_MIN, INT64_MAX, &i);
}

static void add_number(struct buf *copy, struct span number, enum tree_numbers numbers)
{
    double d = value_of(number);
    char text[40];

    if (!is_beyond(number, d)) {
        buf_add_span(copy, number);
    } else if (numbers == TREE_VERBATIM) {
        buf_puts(copy, "\"\\u0000");
        buf_add_span(copy, number);
        buf_putc(copy, '"');
    } else {
        snprintf(text, sizeof text, "%.17g", d);
        buf_puts(copy, text);
    }
}

/* Where the text is no JSON the copy is none either. */
static void copy_text(struct span text, enum tree_numbers numbers, struct buf *copy)
{
    const char *end = text.p + text.n, *next;

    for (const char *p = text.p; p < end; p = next) {
        if (*p == '"')
            next = json_skip_string(p + 1, end);
        else if (*p == '-' || (*p >= '0' && *p <= '9'))
            next = json_skip_number(p, end);
        else
            next = p + 1;
        if (!next)
            next = end;
        if (*p != '"' && next > p + 1)
            add_number(copy, (struct span){p, (size_t)(next - p)}, numbers);
        else
            buf_add(copy, p, (size_t)(next - p));
    }
}

json_t *tree_load(struct span text, size_t flags, enum tree_numbers numbers, bool *ret_beyond,
                  json_error_t *at)
{
    json_t *root = json_loadb(text.p, text.n, flags, at);
    bool beyond = !root && json_error_code(at) == json_error_numeric_overflow;
    struct buf copy = BUF(text.n * LARGEST_GROWTH);

    if (ret_beyond)
        *ret_beyond = beyond;
    if (!beyond)
        return root;
    copy_text(text, numbers, &copy);
    if (!buf_failed(&copy))
        root = json_loadb(copy.p, copy.n, flags, at);
    buf_done(&copy);
    return root;
}
