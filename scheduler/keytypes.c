/* keytypes.c - see keytypes.h. */
#include "scheduler/keytypes.h"

#include <stdio.h>

#include "common/core/clock.h"

static const char *const types[KEY_COUNT] = {
#define X(NAME, name, type) [KEY_##NAME] = (type),
#include "common/queue/keys.def"
};

enum { CHECKED_MAX = KEY_COUNT + QUEUE_COUNT + 1 };
struct checked {
    size_t count;
    struct {
        const char *prefix, *id, *type;
    } of[CHECKED_MAX];
};

static void checked_add(struct checked *c, const char *prefix, const char *id, const char *type)
{
    c->of[c->count].prefix = prefix;
    c->of[c->count].id = id;
    c->of[c->count++].type = type;
}

/* The same ones in the same order at each call. */
static void list(const struct keys *k, const char *day, struct checked *c)
{
    c->count = 0;
    for (int i = 0; i < KEY_COUNT; i++)
        if (types[i][0] && i != KEY_LEASE)
            checked_add(c, key(k, (enum key_id)i), "", types[i]);
    for (int q = 1; q <= QUEUE_COUNT; q++)
        checked_add(c, k->wake[q], "", "list");
    checked_add(c, k->spend, day, "hash");
}

void keytypes_deleted(struct scheduler *s, const struct reply *deleted)
{
    struct checked c;

    list(&s->keys, "of the day", &c);
    for (size_t i = 0; i + 1 < reply_count(deleted); i += 2) {
        int64_t n = reply_int(reply_at(deleted, i)) - 1;
        struct span was = reply_span(reply_at(deleted, i + 1));
        char name[160], text[400];

        if (n < 0 || n >= (int64_t)c.count)
            continue;
        snprintf(name, sizeof name, "%s%s", c.of[n].prefix, c.of[n].id);
        snprintf(text, sizeof text, "%s was a %.*s instead of a %s, and is deleted", name,
                 (int)was.n, was.p ? was.p : "", c.of[n].type);
        scheduler_alert(s, "wrong_type", name, text);
    }
}

size_t keytypes_args(struct scheduler *s, struct redis_args *a)
{
    struct checked c;
    char day[9];

    list(&s->keys, clock_day(clock_wall_ms(), day), &c);
    redis_args_make(a, key(&s->keys, KEY_LEASE), key(&s->keys, KEY_ALERTS),
                    key(&s->keys, KEY_WORKERS));
    for (size_t i = 0; i < c.count; i++)
        keys_arg(a, c.of[i].prefix, c.of[i].id);
    redis_arg_str(a, lease_token(s->lease));
    for (size_t i = 0; i < c.count; i++)
        redis_arg_str(a, c.of[i].type);
    return 3 + c.count;
}
