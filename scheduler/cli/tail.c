/* tail.c - `flotilla tail`: follow a stream until interrupted.
 *
 * It begins behind the newest entry of now, by its id: "$" at each read would lose what comes
 * between two of them.  A read blocks for BLOCK_MS at most, so that a connection that is gone is
 * found. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/json.h"
#include "common/core/parse.h"
#include "common/core/visible.h"
#include "common/queue/alert.h"
#include "scheduler/cli/cli.h"

enum { BLOCK_MS = 5000, HEAD_BYTES = 128, CODE_COLUMNS = 20 };

struct tail {
    struct cli *c;
    const char *stream;
    char last[64];
    bool answered, alerts;
};

static struct span field(const struct reply *fields, const char *name)
{
    for (size_t i = 0; i + 1 < reply_count(fields); i += 2)
        if (reply_is(reply_at(fields, i), name))
            return reply_span(reply_at(fields, i + 1));
    return (struct span){NULL, 0};
}

/* ---- one entry ---- */

/* "2026-12-01 04:37:12" in UTC, when the entry was written; its id begins with the time. */
static const char *time_of(struct span id, char text[25])
{
    const char *dash = memchr(id.p, '-', id.n);
    int64_t ms = 0;

    if (!dash || !parse_int64(id.p, (size_t)(dash - id.p), 0, INT64_MAX, &ms))
        return "-";
    clock_rfc3339(ms, text);
    text[10] = ' ';
    text[19] = '\0';
    return text;
}

/* Of a stream that programs of others may write, too: on one line, and no longer than HEAD_BYTES.
 */
static int put_head(struct span s, int width)
{
    struct buf text = BUF(HEAD_BYTES * VISIBLE_MAX);
    int n;

    visible_add(&text, s.p, s.n < HEAD_BYTES ? s.n : HEAD_BYTES);
    n = printf("%-*s  ", width, text.n ? text.p : "");
    buf_done(&text);
    return n;
}

/* For people the answer's text, or what went wrong, else the document. */
static void print_result(struct span doc)
{
    struct buf text = BUF(doc.n + 1);
    struct span v = json_at(doc, "error.message");

    printf("\n  ");
    if (cli_answer_text(doc, &text) || json_read_string(v, &text))
        cli_fold(stdout, 2, cli_columns(), buf_span(&text));
    else
        cli_fold(stdout, 2, cli_columns(), json_at(doc, "output"));
    buf_done(&text);
}

static void print_alert(struct span id, struct span code, struct span doc)
{
    static const char *const levels[] = {
        [ALERT_INFO] = "info", [ALERT_WARNING] = "warning", [ALERT_ERROR] = "error"};
    char name[64];
    struct buf text = BUF(doc.n + 1);
    char at[25];
    int column;

    snprintf(name, sizeof name, "%.*s", (int)code.n, code.p ? code.p : "");
    column = printf("%-19s  %-7s  ", time_of(id, at), levels[alert_level(name)]);
    column += put_head(code, CODE_COLUMNS);
    if (json_read_string(json_at(doc, "message"), &text))
        cli_put_text(column, buf_span(&text));
    else
        cli_put_line(doc);
    buf_done(&text);
}

static void print_line(const struct reply *fields, struct span doc)
{
    struct span status = field(fields, "status");

    put_head(field(fields, "id"), 0);
    if (status.n)
        put_head(status, 0);
    if (status.n && cli_stdout_is_terminal())
        print_result(doc);
    else
        cli_put_line(doc);
}

static void print_entry(struct tail *t, const struct reply *entry)
{
    struct span id = reply_span(reply_at(entry, 0));
    const struct reply *fields = reply_at(entry, 1);
    struct span doc = field(fields, "doc");

    snprintf(t->last, sizeof t->last, "%.*s", (int)id.n, id.p);
    if (t->c->json)
        cli_put_line(doc);
    else if (t->alerts)
        print_alert(id, field(fields, "code"), doc);
    else
        print_line(fields, doc);
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

    redis_args_make(&a, "XREAD", "BLOCK", BLOCK_MS, "COUNT", 100, "STREAMS", t->stream, t->last);
    t->answered = false;
    redis_send_blocking(t->c->redis, &a, BLOCK_MS, on_entries, t);
    while (!t->answered)
        loop_turn(t->c->loop, 1000);
    return !cli_has_failed(t->c) && !ferror(stdout);
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
    t.alerts = !strcmp(name, "alerts");
    if (t.alerts && !c->json && !cli_has_failed(c))
        printf("%-19s  LEVEL    %-*s  MESSAGE\n", "TIME (UTC)", CODE_COLUMNS, "CODE");
    fflush(stdout);
    while (!cli_has_failed(c) && follow(&t))
        ;
    return CLI_FAILED;
}
