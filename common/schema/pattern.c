/* pattern.c - regular expressions of ECMA-262, run by PCRE2.
 *
 *   text ──translate──▶ PCRE2's dialect ──pcre2_compile──▶ pattern
 *                                            │ a callout before each item
 *                                            ▼
 *                              pcre2_match, `charge` counts the steps
 *
 * The translation is one pass.  It refuses what PCRE2 has and ECMA-262 has not, rewrites what means
 * something else there, and leaves the rest, and nearly all errors, to pcre2_compile:
 *
 *   .            not \n \r U+2028 U+2029; PCRE2 knows no such set of line ends
 *   \s \S        the white space of Unicode, while \d \w \b stay ASCII
 *   \v \b \cX \uHHHH \u{H...} and halves of surrogates   \x{H...}
 *   ( (?<name>   (?:  as nothing refers to a group
 *   {            \{ unless it is a count: newer versions of PCRE2 know {,n} and blanks in it
 *   [ : . =      escaped in a class, where PCRE2 has [:alpha:]
 *   $            PCRE2_DOLLAR_ENDONLY       [] [^]   PCRE2_ALLOW_EMPTY_CLASS
 *
 * An escape that is not listed is refused: \A \Z \Q \K \h and others mean something in PCRE2 only.
 *
 * PCRE2's own match limit counts from each start in the text again, and does not count the
 * characters that a* runs over.  So the budget is kept by a callout, which adds both up. */
#include "common/schema/pattern.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "common/core/buf.h"
#include "common/core/parse.h"
#include "common/core/xalloc.h"

enum { SOURCE_MAX = 1 << 20 }; /* bytes of a translated pattern: \S is 250 of them */

#define OPTIONS (PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALLOW_EMPTY_CLASS | PCRE2_AUTO_CALLOUT)

struct pattern {
    pcre2_code *code;
};

/* ---- ECMA-262 -> PCRE2 ---- */

struct reader {
    const char *at; /* NUL-terminated */
    struct buf out;
    struct err *err;
};

static bool fail(struct reader *r, const char *what)
{
    return err_set(r->err, ERR_INVALID, "%s", what);
}

#define NOT_LINE_END "[^\\n\\r\\x{2028}\\x{2029}]"
#define SPACE                                                                             \
    "\\s\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}" \
    "\\x{feff}"
/* What lies between; \w is part of it, and makes `[a-\S]` the error that it is. */
#define NOT_SPACE                                                                            \
    "\\w\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}"      \
    "\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-" \
    "\\x{fefe}\\x{ff00}-\\x{10ffff}"

/* Escapes by their letter.  NULL: not allowed in a class. */
static const struct {
    char letter;
    bool set;
    const char *outside, *inside;
} escapes[] = {
    {'d', true, "\\d", "\\d"},         {'D', true, "\\D", "\\D"},
    {'w', true, "\\w", "\\w"},         {'W', true, "\\W", "\\W"},
    {'s', true, "[" SPACE "]", SPACE}, {'S', true, "[" NOT_SPACE "]", NOT_SPACE},
    {'b', false, "\\b", "\\x08"},      {'B', false, "\\B", NULL},
    {'t', false, "\\t", "\\t"},        {'n', false, "\\n", "\\n"},
    {'r', false, "\\r", "\\r"},        {'f', false, "\\f", "\\f"},
    {'v', false, "\\x0b", "\\x0b"},
};

static bool is_letter(char c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; }

/* min to max hexadecimal digits. */
static bool read_hex(struct reader *r, size_t min, size_t max, unsigned *ret)
{
    size_t n = strspn(r->at, "0123456789abcdefABCDEF");
    char digits[9] = "";

    if (n < min)
        return fail(r, "an escape lacks its hexadecimal digits");
    memcpy(digits, r->at, n < max ? n : max);
    r->at += strlen(digits);
    *ret = (unsigned)strtoul(digits, NULL, 16);
    return true;
}

static bool put_code(struct reader *r, unsigned c) { return buf_printf(&r->out, "\\x{%x}", c); }

/* Behind \u: HHHH, two of them that are halves of one code point, or {H...}. */
static bool read_unicode(struct reader *r)
{
    bool braces = *r->at == '{';
    unsigned c = 0, low = 0;
    const char *next;

    r->at += braces;
    if (!read_hex(r, braces ? 1 : 4, braces ? 8 : 4, &c))
        return false;
    if (braces)
        return *r->at++ == '}' ? put_code(r, c) : fail(r, "a bad \\u{...}");
    next = r->at;
    if ((c & ~0x3ffu) == 0xd800 && next[0] == '\\' && next[1] == 'u' && next[2] != '{') {
        r->at += 2;
        if (!read_hex(r, 4, 4, &low))
            return false;
        if ((low & ~0x3ffu) == 0xdc00)
            c = 0x10000 + ((c & 0x3ff) << 10) + (low & 0x3ff);
        else
            r->at = next;
    }
    return put_code(r, c);
}

/* Behind a backslash: a character by its number, or a punctuation character. */
static bool read_character(struct reader *r)
{
    char c = *r->at;
    unsigned value = 0;

    if (c == '\0')
        return fail(r, "\\ at end of pattern");
    r->at++;
    if (c >= '1' && c <= '9')
        return fail(r, "back-references are not supported");
    if (c == 'p' || c == 'P')
        return fail(r, "\\p{...} is not supported");
    if (c == '0')
        return *r->at >= '0' && *r->at <= '9' ? fail(r, "octal escapes are not supported")
                                              : put_code(r, 0);
    if (c == 'u')
        return read_unicode(r);
    if (c == 'x')
        return read_hex(r, 2, 2, &value) && put_code(r, value);
    if (c == 'c' && is_letter(*r->at))
        return put_code(r, *r->at++ & 31);
    if (is_letter(c) || (unsigned char)c >= 0x80)
        return fail(r, "an unknown escape");
    return buf_putc(&r->out, '\\') && buf_putc(&r->out, c);
}

static bool read_escape(struct reader *r, bool in_class)
{
    for (size_t i = 0; i < ARRAY_LEN(escapes); i++) {
        const char *as = in_class ? escapes[i].inside : escapes[i].outside;

        if (*r->at != escapes[i].letter || !as)
            continue;
        r->at++;
        /* behind a set, - is a character */
        return buf_puts(&r->out, as) &&
               (!in_class || *r->at != '-' || !escapes[i].set || buf_putc(&r->out, '\\'));
    }
    return read_character(r);
}

/* Behind [, up to its ]. */
static bool read_class(struct reader *r)
{
    if (*r->at == '^')
        buf_putc(&r->out, *r->at++);
    while (*r->at && *r->at != ']') {
        char c = *r->at++;

        if (c == '\\') {
            if (!read_escape(r, true))
                return false;
            continue;
        }
        if (strchr("[:.=", c))
            buf_putc(&r->out, '\\');
        buf_putc(&r->out, c);
    }
    return true; /* pcre2_compile misses the ] */
}

static bool read_group(struct reader *r)
{
    buf_puts(&r->out, "(?:");
    if (*r->at != '?')
        return true;
    if (r->at[1] == ':') {
        r->at += 2;
        return true;
    }
    if (strspn(r->at, "?<=!") >= 2 && (r->at[1] != '<' || strchr("=!", r->at[2])))
        return fail(r, "look-around is not supported");
    if (r->at[1] != '<')
        return fail(r, "an unknown kind of group");
    r->at = strchr(r->at, '>');
    return r->at++ ? true : fail(r, "the name of a group lacks its >");
}

/* Behind {: the length of n} n,} n,m}; 0: a plain character. */
static size_t count_length(const char *p, bool *ret_large)
{
    const char *start = p;
    int64_t v;

    *ret_large = false;
    for (int i = 0; i < 2; i++) {
        size_t n = strspn(p, "0123456789");

        if (i == 0 && n == 0)
            return 0;
        *ret_large |= n > 0 && !parse_int64(p, n, 0, PATTERN_COUNT, &v);
        p += n;
        if (*p == '}')
            return (size_t)(p + 1 - start);
        if (*p++ != ',')
            return 0;
    }
    return 0;
}

/* A quantifier, or { as a character. */
static bool read_quantifier(struct reader *r, char c)
{
    bool large = false;
    size_t n = c == '{' ? count_length(r->at, &large) : 0;

    if (c == '{' && n == 0)
        return buf_puts(&r->out, "\\{");
    if (large)
        return fail(r, "a count is too large");
    buf_putc(&r->out, c);
    buf_add(&r->out, r->at, n);
    r->at += n;
    return *r->at == '+' ? fail(r, "quantifier does not follow a repeatable item") : true;
}

static bool read_item(struct reader *r)
{
    char c = *r->at++;

    switch (c) {
    case '\\': return read_escape(r, false);
    case '.': return buf_puts(&r->out, NOT_LINE_END);
    case '(': return read_group(r);
    case '[': buf_putc(&r->out, c); return read_class(r);
    case '*':
    case '+':
    case '?':
    case '{': return read_quantifier(r, c);
    default: return buf_putc(&r->out, c);
    }
}

/* ---- compiling ---- */

static pcre2_code *compile(const struct buf *source, struct err *err)
{
    pcre2_compile_context *limits = pcre2_compile_context_create(NULL);
    int error = PCRE2_ERROR_NOMEMORY;
    PCRE2_SIZE at;
    pcre2_code *code = NULL;
    char says[200];

    if (limits) {
        pcre2_set_parens_nest_limit(limits, PATTERN_NESTED);
        pcre2_set_compile_extra_options(limits, PCRE2_EXTRA_ALLOW_SURROGATE_ESCAPES);
        code = pcre2_compile((PCRE2_SPTR)source->p, source->n, OPTIONS, &error, &at, limits);
    }
    pcre2_compile_context_free(limits);
    if (!code) {
        pcre2_get_error_message(error, (PCRE2_UCHAR *)says, sizeof says);
        err_set(err, ERR_INVALID, "%s", says);
    }
    return code;
}

struct pattern *pattern_new(const char *text, struct err *err)
{
    struct reader r = {.at = text, .out = BUF(SOURCE_MAX), .err = err};
    struct pattern *p = NULL;
    pcre2_code *code = NULL;
    bool ok = buf_puts(&r.out, "");

    while (ok && *r.at)
        ok = read_item(&r);
    if (buf_failed(&r.out))
        fail(&r, "regular expression is too large");
    else if (ok)
        code = compile(&r.out, err);
    buf_done(&r.out);
    if (!code)
        return NULL;
    p = xcalloc(1, sizeof *p);
    p->code = code;
    return p;
}

void pattern_free(struct pattern *p)
{
    if (p)
        pcre2_code_free(p->code);
    free(p);
}

size_t pattern_bytes(const struct pattern *p)
{
    size_t n = 0;

    if (p)
        pcre2_pattern_info(p->code, PCRE2_INFO_SIZE, &n);
    return n;
}

/* ---- matching ---- */

struct account {
    int64_t *steps;
    size_t at; /* where the last callout was in the text */
};

/* Before each item of the pattern.  Characters that were passed since cost less than an item. */
static int charge(pcre2_callout_block *b, void *data)
{
    struct account *a = data;

    *a->steps -= 1 + (b->current_position > a->at ? (int64_t)(b->current_position - a->at) / 4 : 0);
    a->at = b->current_position;
    return *a->steps < 0 ? PCRE2_ERROR_CALLOUT : 0;
}

bool pattern_matches(struct pattern *p, const char *text, size_t n, int64_t *steps)
{
    struct account account = {.steps = steps};
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    int rc = PCRE2_ERROR_NOMEMORY;

    *steps -= (int64_t)n / 16; /* to see that it is UTF-8 */
    if (limits && match) {
        pcre2_set_callout(limits, charge, &account);
        pcre2_set_match_limit(limits, PATTERN_CALLS);
        pcre2_set_depth_limit(limits, PATTERN_DEPTH);
        pcre2_set_heap_limit(limits, PATTERN_HEAP_KB);
        rc = pcre2_match(p->code, (PCRE2_SPTR)text, n, 0, 0, match, limits);
    }
    pcre2_match_data_free(match); /* it keeps the memory of a match that went deep */
    pcre2_match_context_free(limits);
    if (rc < PCRE2_ERROR_NOMATCH && *steps >= 0)
        *steps = -1;
    return rc >= 0;
}
