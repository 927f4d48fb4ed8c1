/* redis_shot.h - a connection under test: what it was told, and turning the loop until something
 * holds. */
#ifndef FLOTILLA_TESTS_REDIS_SHOT_H
#define FLOTILLA_TESTS_REDIS_SHOT_H

#include <check.h>

#include "common/core/clock.h"
#include "common/io/loop.h"
#include "common/io/redis.h"

/* Turn the loop until cond holds; fail after 10 s. */
#define TURN_UNTIL(loop, cond)                                                 \
    do {                                                                       \
        int64_t end_ms_ = clock_mono_ms() + 10000;                             \
        while (!(cond)) {                                                      \
            ck_assert_msg(clock_mono_ms() < end_ms_, "never came: %s", #cond); \
            loop_turn((loop), 10);                                             \
        }                                                                      \
    } while (0)

/* A connection with what its callbacks said. */
struct line {
    struct loop *loop;
    struct redis *redis;
    int ready, lost; /* how often */
    struct err why;  /* of the last loss */
};
/* opt holds what differs from quick defaults; its callbacks are set here. */
void line_open(struct line *line, struct loop *l, const char *url, struct redis_options opt);
void line_close(struct line *line);

/* One command's answer. */
struct shot {
    int told; /* callbacks: must end at 1 */
    bool ok;
    enum reply_type type;
    int64_t number;
    char text[512]; /* the beginning of a string, status, or of err.msg */
    size_t n, count;
    enum err_kind kind;
    int64_t at_ms;
};
void shot_cb(void *arg, const struct reply *reply, const struct err *err);
/* Send words (at most 8, split at blanks) and fill the shot. */
void shoot(struct line *line, struct shot *s, const char *words);
void shoot_args(struct line *line, struct shot *s, struct redis_args *a);
/* The same and wait for it. */
struct shot ask(struct line *line, const char *words);
void args_of(struct redis_args *a, const char *words);

#endif
