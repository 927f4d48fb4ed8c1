/* show.c - tables: queues, workers, costs; and the version.
 *
 * Each reads what others wrote: the registrations of workers as their heartbeats wrote them, the
 * sums per day as the scripts add them up (lua/prelude.lua).  With --json the same goes out as
 * it is, members that this version does not know included. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/parse.h"
#include "common/core/xalloc.h"
#include "scheduler/cli/cli.h"

/* ---- queues ---- */

static void queue_row(struct cli *c, enum queue_id q, struct cli_table *t, json_t *queues)
{
    const char *name = queue_name(q);
    int64_t ready, paused;
    bool known = cli_number(c, &ready, "LLEN", c->keys.ready[q], NULL);
    bool told = cli_number(c, &paused, "HEXISTS", key(&c->keys, KEY_PAUSED), name, NULL);

    json_object_set_new(queues, name,
                        json_pack("{s:o, s:o}", "ready", cli_json_number(known, ready), "paused",
                                  told ? json_boolean(paused) : json_null()));
    cli_table_cell(t, "%s", name);
    cli_table_number(t, known, ready);
    cli_table_cell(t, "%s", !told ? "?" : paused ? "paused" : "");
}

int cli_queues(struct cli *c)
{
    static const char *const headers[] = {"QUEUE", "READY", "STATE"};
    static const struct {
        const char *name, *command;
        enum key_id key;
    } others[] = {{"intake", "LLEN", KEY_INTAKE},
                  {"delayed", "ZCARD", KEY_DELAYED},
                  {"dead", "ZCARD", KEY_DEAD}};
    struct cli_table *t;
    json_t *doc, *queues;

    if (c->argc > 0)
        return cli_usage(c);
    t = cli_table_new(c, headers, ARRAY_LEN(headers));
    doc = json_object();
    queues = json_object();
    for (int q = 1; q <= QUEUE_COUNT; q++)
        queue_row(c, (enum queue_id)q, t, queues);
    json_object_set_new(doc, "queues", queues);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        int64_t n;
        bool known = cli_number(c, &n, others[i].command, key(&c->keys, others[i].key), NULL);

        json_object_set_new(doc, others[i].name, cli_json_number(known, n));
        cli_table_cell(t, "(%s)", others[i].name);
        cli_table_number(t, known, n);
        cli_table_cell(t, "%s", "");
    }
    cli_print(c, t, doc);
    return CLI_OK;
}

/* ---- workers ---- */

static const char *text_of(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));

    return s ? s : "";
}

static int64_t int_of(const json_t *o, const char *name)
{
    return json_integer_value(json_object_get(o, name));
}

static void worker_row(struct cli_table *t, const char *id, const json_t *w)
{
    cli_table_cell(t, "%s", id);
    cli_table_cell(t, "%s", text_of(w, "group"));
    cli_table_cell(t, "%lld", (long long)int_of(w, "pid"));
    cli_table_cell(t, "%lld", (long long)int_of(w, "running"));
    cli_table_cell(t, "%lld", (long long)int_of(w, "slots"));
    cli_table_cell(t, "%s", cli_duration(clock_wall_ms() - int_of(w, "started_at")));
    cli_table_cell(t, "%s", json_is_true(json_object_get(w, "draining")) ? "draining" : "working");
    cli_table_cell(t, "%s", text_of(w, "version"));
}

int cli_workers(struct cli *c)
{
    static const char *const headers[] = {"WORKER", "GROUP", "PID",   "RUNNING",
                                          "SLOTS",  "UP",    "STATE", "VERSION"};
    const struct reply *r;
    struct cli_table *t;
    json_t *list;

    if (c->argc > 0)
        return cli_usage(c);
    r = cli_callv(c, "HGETALL", key(&c->keys, KEY_WORKERS), NULL);
    if (!r)
        return CLI_FAILED;
    t = cli_table_new(c, headers, ARRAY_LEN(headers));
    list = json_array();
    for (size_t i = 0; i + 1 < reply_count(r); i += 2) {
        struct span id = reply_span(reply_at(r, i)), what = reply_span(reply_at(r, i + 1));
        json_t *w = json_loadb(what.p, what.n, 0, NULL);
        char text[128];

        snprintf(text, sizeof text, "%.*s", (int)id.n, id.p);
        worker_row(t, text, w);
        if (w) {
            json_object_set_new(w, "id", json_string(text));
            json_array_append_new(list, w);
        }
    }
    cli_print(c, t, list);
    return CLI_OK;
}

/* ---- costs ---- */

/* "7d": so many days with today; "12h": all that they reach into.  0 when wrong. */
static int days_of(const char *text, int64_t now_ms)
{
    const int64_t hour = 3600000, day = 24 * hour;
    size_t n = strlen(text);
    int64_t v = 0;

    if (n < 2 || !parse_int64(text, n - 1, 1, 3650, &v))
        return 0;
    if (text[n - 1] == 'd')
        return (int)v;
    return text[n - 1] == 'h' ? (int)(now_ms / day - (now_ms - v * hour) / day) + 1 : 0;
}

/* Fields are "model:NAME|cost", "total|calls", ...; false when they cannot be read. */
static bool add_day(struct cli *c, json_t *rows, const char *by, const char *day)
{
    struct redis_args a;
    const struct reply *r;
    size_t by_n = strlen(by);

    redis_args_make(&a, "HGETALL", key_word(c->keys.spend, day));
    r = cli_call(c, &a);
    for (size_t i = 0; i + 1 < reply_count(r); i += 2) {
        struct span f = reply_span(reply_at(r, i));
        const char *bar = memrchr(f.p, '|', f.n);
        char name[256], what[32];
        json_t *row;

        if (!bar || f.n < by_n || memcmp(f.p, by, by_n) != 0 ||
            (f.p[by_n] != ':' && f.p[by_n] != '|'))
            continue;
        snprintf(name, sizeof name, "%.*s",
                 (int)(bar - f.p - (f.p[by_n] == ':' ? (int)by_n + 1 : 0)),
                 f.p + (f.p[by_n] == ':' ? by_n + 1 : 0));
        snprintf(what, sizeof what, "%.*s", (int)(f.p + f.n - bar - 1), bar + 1);
        row = json_object_get(rows, name);
        if (!row) {
            row = json_object();
            json_object_set_new(rows, name, row);
        }
        json_object_set_new(row, what,
                            json_integer(add64(int_of(row, what), reply_int(reply_at(r, i + 1)))));
    }
    return r != NULL;
}

static void print_costs(const struct cli *c, const char *by, json_t *take_rows)
{
    const char *const headers[] = {by,           "COST",        "CALLS",  "PROMPT",
                                   "COMPLETION", "UNCONFIRMED", "CACHED", "SAVED"};
    struct cli_table *t = cli_table_new(c, headers, ARRAY_LEN(headers));
    const char *name;
    json_t *row;

    json_object_foreach (take_rows, name, row) {
        cli_table_cell(t, "%s", name);
        cli_table_cell(t, "%s", cli_usd(int_of(row, "cost")));
        cli_table_cell(t, "%lld", (long long)int_of(row, "calls"));
        cli_table_cell(t, "%lld", (long long)int_of(row, "prompt"));
        cli_table_cell(t, "%lld", (long long)int_of(row, "completion"));
        cli_table_cell(t, "%s", cli_usd(int_of(row, "estimate")));
        cli_table_cell(t, "%lld", (long long)int_of(row, "hits"));
        cli_table_cell(t, "%s", cli_usd(int_of(row, "saved")));
    }
    cli_print(c, t, take_rows);
}

int cli_costs(struct cli *c)
{
    static const char *const dims[] = {"model", "tenant", "type", "tag", "total"};
    const char *since = cli_option(c, "--since"), *by = cli_option(c, "--by");
    int64_t now_ms = clock_wall_ms();
    int days = days_of(since ? since : "7d", now_ms);
    bool known = false;
    json_t *rows;

    by = by ? by : "model";
    for (size_t i = 0; i < ARRAY_LEN(dims); i++)
        known |= !strcmp(by, dims[i]);
    if (c->argc > 0)
        return cli_usage(c);
    if (days == 0)
        return cli_fail(CLI_USAGE, "--since: expected days or hours, like 7d or 12h; got '%s'",
                        since);
    if (!known)
        return cli_fail(CLI_USAGE, "--by: expected model, tenant, type, tag or total; got '%s'",
                        by);
    rows = json_object();
    for (int d = 0; d < days; d++) {
        char day[9];

        if (!add_day(c, rows, by, clock_day(now_ms - (int64_t)d * 86400000, day))) {
            json_decref(rows); /* a part of a sum is no sum */
            return CLI_FAILED;
        }
    }
    print_costs(c, by, rows);
    return CLI_OK;
}

int cli_version(struct cli *c)
{
    if (c->argc > 0)
        return cli_usage(c);
    if (c->json)
        printf("{\"version\":\"%s\"}\n", FLOTILLA_VERSION);
    else
        printf("flotilla %s\n", FLOTILLA_VERSION);
    return CLI_OK;
}
