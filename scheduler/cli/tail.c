/* tail.c - `flotilla tail`: follow a stream until interrupted.
 *
 * It begins behind the newest entry of now, by its id: "$" at each read would lose what comes
 * between two of them.  A read blocks for BLOCK_MS at most, so that a connection that is gone is
 * found. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/visible.h"
#include "scheduler/cli/cli.h"

enum { BLOCK_MS = 5000, HEAD_BYTES = 128, TEXT_BYTES = 400 };

struct tail {
    struct cli *c;
    const char *stream;
    char last[64];
    bool answered;
};

static struct span field(const struct reply *fields, const char *name)
{
    for (size_t i = 0; i + 1 < reply_count(fields); i += 2)
        if (reply_is(reply_at(fields, i), name))
            return reply_span(reply_at(fields, i + 1));
    return (struct span){NULL, 0};
}

/* One value on one line, whoever wrote it: in JSON a line feed is a blank. */
static void print_json(struct span doc)
{
    for (size_t i = 0; i < doc.n; i++)
        putchar(doc.p[i] == '\n' || doc.p[i] == '\r' ? ' ' : doc.p[i]);
    putchar('\n');
}

static void print_line(struct span head, struct span status, struct span doc)
{
    struct buf line = BUF(16 << 10);

    if (doc.n > TEXT_BYTES)
        for (doc.n = TEXT_BYTES; doc.n > 0 && (doc.p[doc.n] & 0xc0) == 0x80;)
            doc.n--;
    visible_add(&line, head.p, head.n < HEAD_BYTES ? head.n : HEAD_BYTES);
    if (status.n)
        buf_puts(&line, "  ");
    visible_add(&line, status.p, status.n < HEAD_BYTES ? status.n : HEAD_BYTES);
    buf_puts(&line, "  ");
    visible_add(&line, doc.p, doc.n);
    puts(line.p);
    buf_done(&line);
}

static void print_entry(struct tail *t, const struct reply *entry)
{
    struct span id = reply_span(reply_at(entry, 0));
    const struct reply *fields = reply_at(entry, 1);
    struct span doc = field(fields, "doc");
    struct span job = field(fields, "id"), status = field(fields, "status"),
                code = field(fields, "code");

    snprintf(t->last, sizeof t->last, "%.*s", (int)id.n, id.p);
    if (t->c->json)
        print_json(doc);
    else
        print_line(job.n ? job : code, status, doc);
}

static void on_entries(void *arg, const struct reply *reply, const struct err *err)
{
    struct tail *t = arg;
    const struct reply *entries =
        reply_at(reply_at(reply_at(reply, 0), 1), 0) ? reply_at(reply_at(reply, 0), 1) : NULL;

    t->answered = true;
    if (!reply)
        cli_refused(t->c, "XREAD", err);
    for (size_t i = 0; i < reply_count(entries); i++)
        print_entry(t, reply_at(entries, i));
    fflush(stdout);
}

static bool follow(struct tail *t)
{
    struct redis_args a;

    redis_args_init(&a);
    redis_arg_str(&a, "XREAD");
    redis_arg_str(&a, "BLOCK");
    redis_arg_int(&a, BLOCK_MS);
    redis_arg_str(&a, "COUNT");
    redis_arg_int(&a, 100);
    redis_arg_str(&a, "STREAMS");
    redis_arg_str(&a, t->stream);
    redis_arg_str(&a, t->last);
    t->answered = false;
    redis_send_blocking(t->c->redis, &a, BLOCK_MS, on_entries, t);
    while (!t->answered)
        loop_turn(t->c->loop, 1000);
    return !cli_has_failed(t->c);
}

int cli_tail(struct cli *c)
{
    static const struct {
        const char *name;
        enum key_id key;
    } streams[] = {{"results", KEY_RESULTS}, {"costs", KEY_COSTS}, {"alerts", KEY_ALERTS}};
    struct tail t = {.c = c, .last = "$"};
    const char *name = c->argc == 1 ? c->argv[0] : "results";
    const struct reply *newest;

    for (size_t i = 0; i < ARRAY_LEN(streams); i++)
        if (!strcmp(name, streams[i].name))
            t.stream = key(&c->keys, streams[i].key);
    if (c->argc > 1 || !t.stream)
        return cli_usage(c);
    newest = cli_callv(c, "XREVRANGE", t.stream, "+", "-", "COUNT", "1", NULL);
    if (reply_count(newest) == 1) { /* a fixed place: "$" would lose what comes between two reads */
        struct span id = reply_span(reply_at(reply_at(newest, 0), 0));

        snprintf(t.last, sizeof t.last, "%.*s", (int)id.n, id.p);
    } else {
        snprintf(t.last, sizeof t.last, "0");
    }
    while (!cli_has_failed(c) && follow(&t))
        ;
    return CLI_FAILED;
}
