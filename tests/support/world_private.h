/* world_private.h - what the files of a world share and tests do not see. */
#ifndef FLOTILLA_TESTS_WORLD_PRIVATE_H
#define FLOTILLA_TESTS_WORLD_PRIVATE_H

#include "tests/support/world.h"

#define REPLIES_KEPT 8

struct owned {
    void *p;
    void (*free)(void *);
    struct owned *next;
};

struct world_private {
    struct world_options options;
    struct program *programs; /* all, newest first, ended ones too */
    struct owned *owned;
    redisContext *redis;               /* the test's own connection; NULL: connect when needed */
    redisReply *replies[REPLIES_KEPT]; /* a ring */
    size_t reply_at;
    json_t *pushed; /* job documents for the collection */
};

struct run_spec {
    const char *program; /* a path, or a name in PATH */
    const char *const *args, *const *settings;
    const char *input;
};
struct program *world_run(struct world *w, const struct run_spec *run);
struct web_answer world_request(struct world *w, const char *method, const char *url,
                                const char *body);
/* A copy in which every ' is a " */
char *world_quoted(struct world *w, const char *text);
void world_redis_disconnect(struct world *w);
void world_collect(struct world *w);

#endif
