/* parse.c - text to numbers, the whole text or nothing.
 *
 * Texts come with a length and need no NUL.  No number here may hold blanks,
 * a '+', hexadecimal, "inf" or "nan"; only parse_next_double passes over the
 * blanks between two of them.  Doubles go through strtod, which reads
 * '.' because no program of ours calls setlocale.  Money never becomes a
 * double: parse_usd moves the decimal point nine places and rounds on digits.
 */
#include "common/core/parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 400, EXPONENT_MAX = 9999, WORD_MAX = 64, USD_DECIMALS = 9 };

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool parse_int64(const char *p, size_t n, int64_t min, int64_t max, int64_t *ret)
{
    bool negative = n > 0 && *p == '-';
    int64_t v = 0;

    if (n == negative)
        return false;
    for (size_t i = negative; i < n; i++) {
        int digit = p[i] - '0';

        if (!is_digit(p[i]) || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, negative ? -digit : digit, &v))
            return false;
    }
    if (v < min || v > max)
        return false;
    *ret = v;
    return true;
}

/* ---- decimal numbers ---- */

/* The parts of "-12.5e-3". */
struct decimal {
    bool negative;
    const char *digits;     /* "12.5": digits with at most one point */
    size_t digits_n, int_n; /* its length, and the digits before the point */
    int exponent;           /* cut off at +-EXPONENT_MAX */
};

static bool split_exponent(const char *p, const char *end, int *ret)
{
    bool negative = p < end && *p == '-';
    int v = 0;

    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (p == end)
        return false;
    for (; p < end; p++) {
        if (!is_digit(*p))
            return false;
        v = v * 10 + (*p - '0');
        v = v > EXPONENT_MAX ? EXPONENT_MAX : v;
    }
    *ret = negative ? -v : v;
    return true;
}

/* At least one digit before the point, and after it if there is one. */
static bool split_decimal(const char *p, size_t n, struct decimal *d)
{
    const char *end = p + n;

    *d = (struct decimal){.negative = n > 0 && *p == '-'};
    d->digits = p += d->negative;
    while (p < end && is_digit(*p))
        p++;
    d->int_n = (size_t)(p - d->digits);
    if (d->int_n == 0)
        return false;
    if (p < end && *p == '.') {
        const char *fraction = ++p;

        while (p < end && is_digit(*p))
            p++;
        if (p == fraction)
            return false;
    }
    d->digits_n = (size_t)(p - d->digits);
    if (p < end && (*p == 'e' || *p == 'E'))
        return split_exponent(p + 1, end, &d->exponent);
    return p == end;
}

bool parse_double(const char *p, size_t n, double min, double max, double *ret)
{
    char text[NUMBER_MAX + 1];
    struct decimal d;
    double v;

    if (n > NUMBER_MAX || !split_decimal(p, n, &d))
        return false;
    memcpy(text, p, n);
    text[n] = 0;
    v = strtod(text, NULL);
    if (!(v >= min && v <= max))
        return false;
    *ret = v;
    return true;
}

bool parse_next_double(struct span *text, double *ret)
{
    const char *p = text->p, *end = p + text->n, *stop;

    while (p < end && *p == ' ')
        p++;
    stop = memchr(p, ' ', (size_t)(end - p));
    stop = stop ? stop : end;
    if (!parse_double(p, (size_t)(stop - p), -PARSE_NEXT_MOST, PARSE_NEXT_MOST, ret))
        return false;
    *text = (struct span){stop, (size_t)(end - stop)};
    return true;
}

/* The number that the first `keep` digits make (zeros follow when they run out). */
static bool leading_digits(const struct decimal *d, int64_t keep, int64_t *ret)
{
    int64_t v = 0;
    size_t i = 0;

    for (; keep > 0 && (i < d->digits_n || v != 0); i++) {
        int digit = i < d->digits_n ? d->digits[i] - '0' : 0;

        if (i < d->digits_n && d->digits[i] == '.')
            continue;
        keep--;
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v))
            return false;
    }
    if (keep == 0 && i < d->digits_n && d->digits[i] == '.')
        i++;
    if (keep == 0 && i < d->digits_n && d->digits[i] >= '5' && __builtin_add_overflow(v, 1, &v))
        return false;
    *ret = v;
    return true;
}

bool parse_usd(const char *p, size_t n, int64_t *ret_nanousd)
{
    struct decimal d;

    if (!split_decimal(p, n, &d) || d.negative)
        return false;
    return leading_digits(&d, (int64_t)d.int_n + d.exponent + USD_DECIMALS, ret_nanousd);
}

/* ---- words ---- */

bool parse_bool(const char *p, size_t n, bool *ret)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true}, {"false", false}, {"yes", true}, {"no", false},
                 {"on", true},   {"off", false},   {"1", true},   {"0", false}};

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strlen(words[i].word) == n && memcmp(words[i].word, p, n) == 0) {
            *ret = words[i].value;
            return true;
        }
    }
    return false;
}

static bool same(char a, char b) { return tolower((unsigned char)a) == tolower((unsigned char)b); }

/* Insertions, deletions, changes and swaps of neighbours that turn a into b. */
static int edit_distance(const char *a, const char *b)
{
    int rows[3][WORD_MAX + 1];
    int *before = rows[0], *last = rows[1], *row = rows[2];
    int a_n = (int)strlen(a), b_n = (int)strlen(b);

    if (a_n > WORD_MAX || b_n > WORD_MAX)
        return WORD_MAX;
    for (int j = 0; j <= b_n; j++)
        row[j] = j;
    for (int i = 1; i <= a_n; i++) {
        int *oldest = before;

        before = last;
        last = row;
        row = oldest;
        row[0] = i;
        for (int j = 1; j <= b_n; j++) {
            row[j] =
                (int)min64(min64(row[j - 1], last[j]) + 1, last[j - 1] + !same(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
                row[j] = (int)min64(row[j], before[j - 2] + 1);
        }
    }
    return row[b_n];
}

/* Near means that at most every third letter is wrong. */
const char *parse_nearest(const char *word, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    int best = ((int)strnlen(word, WORD_MAX) + 2) / 3 + 1;

    for (size_t i = 0; i < count; i++) {
        int distance = edit_distance(word, names[i]);

        if (distance < best && distance < (int)strlen(names[i])) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}
