/* rescue.c - see rescue.h: a tree of replies, each node with the command that
 * comes next. */
#include "tests/explore/rescue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"
#include "common/queue/recover.h"
#include "tests/explore/calls.h"
#include "tests/explore/wire.h"

enum { DEPTH_MAX = 64 };

struct node {
    uint32_t parent; /* 0: it has just begun */
    uint32_t reply;  /* in `texts`, to the parent's command */
    struct rescue_start start;
    uint32_t command;
};

static struct pool *steps; /* parent and reply, or the start */
static struct node *nodes;
static size_t room;
static bool with_money;

void rescue_with_money(bool money) { with_money = money; }

static void on_end(void *arg, const struct recover_report *report, const struct err *err)
{
    (void)arg;
    (void)report;
    (void)err;
}

static bool has(struct span bytes, const char *text)
{
    return memmem(bytes.p, bytes.n, text, strlen(text)) != NULL;
}

/* The reply to what is no part of an image; NULL: it is one. */
static const char *fixed_reply(struct span command)
{
    bool of_money = has(command, key(&keys, KEY_HOLDS)) || has(command, ":calls:");

    if (of_money && with_money)
        return NULL;
    if (has(command, "HSCAN"))
        return "*2\r\n$1\r\n0\r\n*0\r\n";
    if (has(command, "HGETALL"))
        return "*0\r\n";
    return of_money || has(command, ":models:") ? "$-1\r\n" : NULL;
}

static size_t answer_fixed(size_t at)
{
    while (at < wire_count()) {
        const char *reply = fixed_reply(wire_bytes(at));

        if (!reply)
            break;
        wire_answer(at++, (struct span){reply, strlen(reply)});
    }
    return at;
}

static void begin(const struct rescue_start *s)
{
    static char what[32];
    struct recover_options o = {.redis = WIRE,
                                .keys = &keys,
                                .cfg = calls_config(),
                                .worker = worker_ids[s->who],
                                .what = s->beat ? what : NULL,
                                .lease = s->scheduler ? leases[s->scheduler] : NULL,
                                .blame = s->blame ? job_ids[s->blame - 1] : NULL};

    snprintf(what, sizeof what, "{\"n\":%d}", s->beat);
    wire_open();
    recover_start(&o, on_end, NULL);
}

/* Run it again from the start; returns what it sends next. */
static uint32_t replay(const struct node *n)
{
    uint32_t replies[DEPTH_MAX], command = 0;
    size_t count = 0, at;

    for (const struct node *k = n; k->parent; k = &nodes[k->parent])
        replies[count++] = k->reply;
    begin(&n->start);
    at = answer_fixed(0);
    while (count > 0) {
        wire_answer(at, pool_bytes(texts, replies[--count]));
        at = answer_fixed(at + 1);
    }
    if (at < wire_count())
        command = pool_id(commands, wire_bytes(at).p, wire_bytes(at).n);
    for (; at < wire_count(); at++) /* it frees itself */
        wire_lose(at);
    return command;
}

static uint32_t node_of(const struct node *made, const void *step, size_t n)
{
    uint32_t count = pool_count(steps), id = pool_id(steps, step, n);

    if (id < count)
        return id;
    if (id >= room) {
        room = room ? 2 * room : 256;
        nodes = xrealloc(nodes, room * sizeof *nodes);
    }
    nodes[id] = *made;
    nodes[id].command = replay(&nodes[id]);
    return id;
}

uint32_t rescue_begin(const struct rescue_start *s)
{
    const struct node n = {.start = *s};

    return node_of(&n, s, sizeof *s);
}

uint32_t rescue_command(uint32_t rescue) { return nodes[rescue].command; }

uint32_t rescue_answer(uint32_t rescue, uint32_t reply)
{
    const uint32_t step[2] = {rescue, reply};
    const struct node n = {.parent = rescue, .reply = reply, .start = nodes[rescue].start};

    return node_of(&n, step, sizeof step);
}

void rescue_open(void) { steps = pool_new(); }

void rescue_close(void)
{
    pool_free(steps);
    free(nodes);
}
