/* consumers.c - see consumers.h.
 *
 * Redis 7 keeps `max-deleted-entry-id` for a stream and `last-delivered-id`
 * for each of its groups; nothing else needs to be remembered. */
#include "scheduler/consumers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/parse.h"
#include "common/core/xalloc.h"

struct check {
    struct scheduler *s;
    char deleted[64];
};

static void read_id(struct span id, int64_t *ms, int64_t *seq)
{
    const char *dash = id.p ? memchr(id.p, '-', id.n) : NULL;
    size_t n = dash ? (size_t)(dash - id.p) : id.n;

    *ms = *seq = 0;
    if (!id.p || !parse_int64(id.p, n, 0, INT64_MAX, ms) ||
        (dash && !parse_int64(dash + 1, id.n - n - 1, 0, INT64_MAX, seq)))
        *ms = *seq = 0;
}

int consumers_compare(struct span a, struct span b)
{
    int64_t ams, aseq, bms, bseq;

    read_id(a, &ams, &aseq);
    read_id(b, &bms, &bseq);
    if (ams != bms)
        return ams < bms ? -1 : 1;
    return aseq < bseq ? -1 : aseq > bseq;
}

/* A flat list of names and values. */
static struct span member(const struct reply *flat, const char *name)
{
    for (size_t i = 0; i + 1 < reply_count(flat); i += 2)
        if (reply_is(reply_at(flat, i), name))
            return reply_span(reply_at(flat, i + 1));
    return (struct span){NULL, 0};
}

static void on_groups(void *arg, const struct reply *reply, const struct err *err)
{
    struct check *c = arg;
    struct span deleted = {c->deleted, strlen(c->deleted)};

    (void)err;
    for (size_t i = 0; i < reply_count(reply); i++) {
        const struct reply *group = reply_at(reply, i);
        struct span name = member(group, "name"), at = member(group, "last-delivered-id");
        char subject[128], text[300];

        if (!at.p || consumers_compare(at, deleted) >= 0)
            continue;
        snprintf(subject, sizeof subject, "%.*s", (int)(name.n > 100 ? 100 : name.n),
                 name.p ? name.p : "");
        snprintf(text, sizeof text,
                 "consumer group '%s' stands at %.*s, but cost events up to %s were trimmed",
                 subject, (int)at.n, at.p, c->deleted);
        scheduler_alert(c->s, "costs_lost", subject, text);
    }
    free(c);
}

static void on_stream(void *arg, const struct reply *reply, const struct err *err)
{
    struct check *c = arg;
    struct span deleted = member(reply, "max-deleted-entry-id");

    (void)err;
    snprintf(c->deleted, sizeof c->deleted, "%.*s", (int)(deleted.n < 60 ? deleted.n : 0),
             deleted.p ? deleted.p : "");
    if (deleted.n == 0 || !strcmp(c->deleted, "0-0")) {
        free(c);
        return;
    }
    redis_sendv(c->s->redis, on_groups, c, "XINFO", "GROUPS", key(&c->s->keys, KEY_COSTS), NULL);
}

void consumers_check(struct scheduler *s)
{
    struct check *c = xcalloc(1, sizeof *c);

    c->s = s;
    redis_sendv(s->redis, on_stream, c, "XINFO", "STREAM", key(&s->keys, KEY_COSTS), NULL);
}
