/* redis_words.h - many arguments of a command in one call, each by its own type.
 *
 *     redis_args_make(&a, "SET", key_word(keys->job, id), body, "PX", ttl_ms);
 *
 * A word is a text (char *), a span, an integer of any type, or a struct redis_word.  At most 24. */
#ifndef FLOTILLA_REDIS_WORDS_H
#define FLOTILLA_REDIS_WORDS_H

#include <string.h>

#include "common/core/buf.h"

struct redis_args;

/* Borrowed for the call. */
struct redis_word {
    struct span text, rest; /* one argument of two pieces; text.p NULL: number */
    int64_t number;
};

static inline struct redis_word redis_word_text(const char *s)
{
    return (struct redis_word){.text = {s, strlen(s)}};
}
static inline struct redis_word redis_word_span(struct span s)
{
    return (struct redis_word){.text = {s.p ? s.p : "", s.n}};
}
static inline struct redis_word redis_word_number(int64_t v)
{
    return (struct redis_word){.number = v};
}
static inline struct redis_word redis_word_same(struct redis_word w) { return w; }

void redis_args_add_words(struct redis_args *a, const struct redis_word *words, size_t n);

#define REDIS_WORD(x) \
    _Generic((x),                         \
        char *: redis_word_text,          \
        const char *: redis_word_text,    \
        struct span: redis_word_span,     \
        struct redis_word: redis_word_same, \
        default: redis_word_number)(x)

#define redis_args_add(a, ...)                                                       \
    redis_args_add_words((a), (const struct redis_word[]){REDIS_WORDS(__VA_ARGS__)}, \
                         REDIS_WORDS_COUNT(__VA_ARGS__))

/* The same after redis_args_init. */
#define redis_args_make(a, ...) (redis_args_init(a), redis_args_add(a, __VA_ARGS__))

/* ---- a macro for each number of words ---- */
#define REDIS_WORDS_PICK(_1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, _13, _14, _15, _16, \
                         _17, _18, _19, _20, _21, _22, _23, _24, NAME, ...)                     \
    NAME
#define REDIS_WORDS_COUNT(...)                                                                   \
    REDIS_WORDS_PICK(__VA_ARGS__, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, \
                     8, 7, 6, 5, 4, 3, 2, 1, 0)
#define REDIS_WORDS(...)                                                                           \
    REDIS_WORDS_PICK(__VA_ARGS__, REDIS_WORDS_24, REDIS_WORDS_23, REDIS_WORDS_22, REDIS_WORDS_21,  \
                     REDIS_WORDS_20, REDIS_WORDS_19, REDIS_WORDS_18, REDIS_WORDS_17,               \
                     REDIS_WORDS_16, REDIS_WORDS_15, REDIS_WORDS_14, REDIS_WORDS_13,               \
                     REDIS_WORDS_12, REDIS_WORDS_11, REDIS_WORDS_10, REDIS_WORDS_9, REDIS_WORDS_8, \
                     REDIS_WORDS_7, REDIS_WORDS_6, REDIS_WORDS_5, REDIS_WORDS_4, REDIS_WORDS_3,    \
                     REDIS_WORDS_2, REDIS_WORDS_1, 0)                                              \
    (__VA_ARGS__)
#define REDIS_WORDS_1(x)       REDIS_WORD(x)
#define REDIS_WORDS_2(x, ...)  REDIS_WORD(x), REDIS_WORDS_1(__VA_ARGS__)
#define REDIS_WORDS_3(x, ...)  REDIS_WORD(x), REDIS_WORDS_2(__VA_ARGS__)
#define REDIS_WORDS_4(x, ...)  REDIS_WORD(x), REDIS_WORDS_3(__VA_ARGS__)
#define REDIS_WORDS_5(x, ...)  REDIS_WORD(x), REDIS_WORDS_4(__VA_ARGS__)
#define REDIS_WORDS_6(x, ...)  REDIS_WORD(x), REDIS_WORDS_5(__VA_ARGS__)
#define REDIS_WORDS_7(x, ...)  REDIS_WORD(x), REDIS_WORDS_6(__VA_ARGS__)
#define REDIS_WORDS_8(x, ...)  REDIS_WORD(x), REDIS_WORDS_7(__VA_ARGS__)
#define REDIS_WORDS_9(x, ...)  REDIS_WORD(x), REDIS_WORDS_8(__VA_ARGS__)
#define REDIS_WORDS_10(x, ...) REDIS_WORD(x), REDIS_WORDS_9(__VA_ARGS__)
#define REDIS_WORDS_11(x, ...) REDIS_WORD(x), REDIS_WORDS_10(__VA_ARGS__)
#define REDIS_WORDS_12(x, ...) REDIS_WORD(x), REDIS_WORDS_11(__VA_ARGS__)
#define REDIS_WORDS_13(x, ...) REDIS_WORD(x), REDIS_WORDS_12(__VA_ARGS__)
#define REDIS_WORDS_14(x, ...) REDIS_WORD(x), REDIS_WORDS_13(__VA_ARGS__)
#define REDIS_WORDS_15(x, ...) REDIS_WORD(x), REDIS_WORDS_14(__VA_ARGS__)
#define REDIS_WORDS_16(x, ...) REDIS_WORD(x), REDIS_WORDS_15(__VA_ARGS__)
#define REDIS_WORDS_17(x, ...) REDIS_WORD(x), REDIS_WORDS_16(__VA_ARGS__)
#define REDIS_WORDS_18(x, ...) REDIS_WORD(x), REDIS_WORDS_17(__VA_ARGS__)
#define REDIS_WORDS_19(x, ...) REDIS_WORD(x), REDIS_WORDS_18(__VA_ARGS__)
#define REDIS_WORDS_20(x, ...) REDIS_WORD(x), REDIS_WORDS_19(__VA_ARGS__)
#define REDIS_WORDS_21(x, ...) REDIS_WORD(x), REDIS_WORDS_20(__VA_ARGS__)
#define REDIS_WORDS_22(x, ...) REDIS_WORD(x), REDIS_WORDS_21(__VA_ARGS__)
#define REDIS_WORDS_23(x, ...) REDIS_WORD(x), REDIS_WORDS_22(__VA_ARGS__)
#define REDIS_WORDS_24(x, ...) REDIS_WORD(x), REDIS_WORDS_23(__VA_ARGS__)

#endif
