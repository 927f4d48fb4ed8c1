/* consumers.c - see consumers.h.
 *
 * Redis 7 counts the entries ever added to a stream and those that each group
 * has read.  What was added and is not there any more was trimmed, oldest
 * first; so a group that read fewer than that has missed some.  (A group made
 * in the middle of a stream has no count until Redis can tell; it is skipped.) */
#include "scheduler/consumers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/core/xalloc.h"

struct check {
    struct scheduler *s;
    int64_t trimmed;
};

/* A flat list of names and values. */
static const struct reply *member(const struct reply *flat, const char *name)
{
    for (size_t i = 0; i + 1 < reply_count(flat); i += 2)
        if (reply_is(reply_at(flat, i), name))
            return reply_at(flat, i + 1);
    return NULL;
}

static void check_group(const struct check *c, const struct reply *group)
{
    const struct reply *read = member(group, "entries-read");
    struct span name = reply_span(member(group, "name"));
    char subject[128], text[300];

    if (reply_type(read) != REPLY_INT || reply_int(read) >= c->trimmed)
        return;
    snprintf(subject, sizeof subject, "%.*s", (int)(name.n > 100 ? 100 : name.n),
             name.p ? name.p : "");
    snprintf(text, sizeof text,
             "consumer group '%s' has read %" PRId64 " cost events, but the first %" PRId64
             " were trimmed: raise retention.costs_entries, or read faster",
             subject, reply_int(read), c->trimmed);
    scheduler_alert(c->s, "costs_lost", subject, text);
}

static void on_groups(void *arg, const struct reply *reply, const struct err *err)
{
    struct check *c = arg;

    (void)err;
    for (size_t i = 0; i < reply_count(reply); i++)
        check_group(c, reply_at(reply, i));
    free(c);
}

static void on_stream(void *arg, const struct reply *reply, const struct err *err)
{
    struct check *c = arg;

    (void)err;
    c->trimmed = reply_int(member(reply, "entries-added")) - reply_int(member(reply, "length"));
    if (c->trimmed > 0)
        redis_sendv(c->s->redis, on_groups, c, "XINFO", "GROUPS", key(&c->s->keys, KEY_COSTS),
                    NULL);
    else
        free(c);
}

void consumers_check(struct scheduler *s)
{
    struct check *c = xcalloc(1, sizeof *c);

    c->s = s;
    redis_sendv(s->redis, on_stream, c, "XINFO", "STREAM", key(&s->keys, KEY_COSTS), NULL);
}
