/* base.h - attributes and the few macros that every file may use. */
#ifndef FLOTILLA_BASE_H
#define FLOTILLA_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NODISCARD         __attribute__((warn_unused_result))
#define NORETURN          __attribute__((noreturn))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED            __attribute__((unused))
#define CLEANUP(func)     __attribute__((cleanup(func)))
#define ARRAY_LEN(a)      (sizeof(a) / sizeof((a)[0]))

/* Hand a pointer out of a CLEANUP variable: the value, and NULL left behind. */
#define TAKE(p)                     \
    __extension__({                 \
        __typeof__(p) taken_ = (p); \
        (p) = NULL;                 \
        taken_;                     \
    })

static inline int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t clamp64(int64_t v, int64_t min, int64_t max)
{
    return v < min ? min : v > max ? max : v;
}

/* The sum of two amounts, or the largest there is: what others tell us must not wrap round. */
static inline int64_t add64(int64_t a, int64_t b)
{
    int64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? (a < 0 ? INT64_MIN : INT64_MAX) : sum;
}

/* A borrowed run of bytes, not NUL-terminated.  {NULL, 0} means "not there". */
struct span {
    const char *p;
    size_t n;
};

static inline bool span_is(struct span s, const char *text)
{
    return s.n == strlen(text) && (s.n == 0 || memcmp(s.p, text, s.n) == 0);
}

#endif
