/* route.c - `flotilla route`: routes that are added at run time, without a reload.
 *
 *     flotilla route add my-org/my-model --provider local --tasks chat,code --input-usd 0.15
 *
 * Every member of model_doc.h is an option; what is written is checked as
 * workers will check it.  They hear of it within a heartbeat or two. */
#include <stdio.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/parse.h"
#include "common/route/route_doc.h"
#include "scheduler/cli/cli.h"

/* ---- add ---- */

/* As JSON: numbers and truth as they are, lists (of tasks, features) split at commas, else text. */
static void add_value(struct buf *b, const char *name, const char *value)
{
    struct span v = {value, strlen(value)};
    bool list = !strcmp(name, "tasks") || !strcmp(name, "features"), truth;
    double number;

    json_add_key(b, name);
    if (list) {
        buf_putc(b, '[');
        for (const char *p = value; *p;) {
            size_t n = strcspn(p, ",");

            if (b->p[b->n - 1] != '[')
                buf_putc(b, ',');
            json_add_string(b, p, n);
            p += n + (p[n] == ',');
        }
        buf_putc(b, ']');
    } else if (json_valid(v.p, v.n) &&
               (json_read_double(v, &number) || json_read_bool(v, &truth))) {
        buf_add_span(b, v);
    } else {
        json_add_text(b, value);
    }
}

/* Turn the options "--input-usd 0.15" and "--input-usd=0.15" into {"input_usd": 0.15}; false when
 * one has no value. */
static bool make_doc(const struct cli *c, struct buf *b)
{
    buf_putc(b, '{');
    for (int i = 2; i < c->argc; i++) {
        const char *arg = c->argv[i], *eq = strchr(arg, '=');
        size_t n = eq ? (size_t)(eq - arg) : strlen(arg);
        const char *value = eq ? eq + 1 : i + 1 < c->argc ? c->argv[++i] : NULL;
        char name[64];

        if (strncmp(arg, "--", 2) != 0 || n < 3 || n - 2 >= sizeof name || !value)
            return false;
        snprintf(name, sizeof name, "%.*s", (int)n - 2, arg + 2);
        for (char *p = name; *p; p++)
            *p = *p == '-' ? '_' : *p;
        add_value(b, name, value);
    }
    buf_putc(b, '}');
    return true;
}

static int route_add(struct cli *c)
{
    const char *id = c->argc > 1 ? c->argv[1] : NULL;
    struct buf doc = BUF(65536);
    struct model row;
    struct err err = {0};
    struct redis_args a;
    const struct reply *r;

    if (!id || !strncmp(id, "--", 2) || !make_doc(c, &doc)) {
        buf_done(&doc);
        return cli_usage(c);
    }
    if (!route_doc_read((struct span){id, strlen(id)}, buf_span(&doc), c->cfg, &row, &err)) {
        buf_done(&doc);
        return cli_fail(CLI_USAGE, "%s", err.msg);
    }
    if (model_find_at(&c->cfg->models, row.provider, id, strlen(id))) {
        cli_fail(
            CLI_FAILED,
            "%s at %s is in the configuration, which takes precedence: change it there (`models`)",
            id, row.provider);
        model_done(&row);
        buf_done(&doc);
        return CLI_FAILED;
    }
    if (row.in_nanousd < 0 && row.image_nanousd <= 0)
        fprintf(stderr, "flotilla: without prices its calls are flagged `unpriced`\n");
    model_done(&row);
    redis_args_make(&a, "HSET", key(&c->keys, KEY_ROUTES), id, buf_span(&doc));
    r = cli_call(c, &a);
    buf_done(&doc);
    if (!r)
        return cli_not_done(c, id, "added");
    cli_told(c, id, "added");
    return CLI_OK;
}

/* ---- remove, list ---- */

static int remove_one(struct cli *c)
{
    const struct reply *r;

    if (c->argc != 2)
        return cli_usage(c);
    r = cli_callv(c, "HDEL", key(&c->keys, KEY_ROUTES), c->argv[1], NULL);
    if (!r)
        return cli_not_done(c, c->argv[1], "removed");
    if (reply_int(r) == 0)
        return cli_fail(CLI_NOT_FOUND, "no route '%s' was added", c->argv[1]);
    cli_told(c, c->argv[1], "removed");
    return CLI_OK;
}

static void list_one(struct cli *c, struct cli_table *t, struct span id, struct span doc)
{
    struct model m;
    struct err err = {0};
    bool good = route_doc_read(id, doc, c->cfg, &m, &err);

    if (!t) {
        json_t *value = json_loadb(doc.p, doc.n, 0, NULL);

        cli_print_json(json_pack("{s:s%, s:b, s:s*, s:o*}", "id", id.p, id.n, "good", (int)good,
                                 "why", good ? NULL : err.msg, "route", value));
    } else {
        cli_table_cell(t, "%.*s", (int)id.n, id.p);
        cli_table_cell(t, "%s", good ? m.provider : "-");
        cli_table_cell(t, "%s", good ? "" : err.msg);
        cli_table_cell(t, "%.*s", (int)doc.n, doc.p);
    }
    if (good)
        model_done(&m);
}

static int list(struct cli *c)
{
    static const char *const headers[] = {"MODEL", "PROVIDER", "IGNORED BECAUSE", "DOCUMENT"};
    const struct reply *r;
    struct cli_table *t;

    if (c->argc > 1)
        return cli_usage(c);
    r = cli_callv(c, "HGETALL", key(&c->keys, KEY_ROUTES), NULL);
    if (!r)
        return CLI_FAILED;
    t = cli_table_new(c, headers, ARRAY_LEN(headers));
    for (size_t i = 0; i + 1 < reply_count(r); i += 2)
        list_one(c, t, reply_span(reply_at(r, i)), reply_span(reply_at(r, i + 1)));
    cli_table_print(t);
    return CLI_OK;
}

int cli_route(struct cli *c)
{
    static const struct {
        const char *verb;
        int (*run)(struct cli *c);
    } verbs[] = {{"add", route_add}, {"remove", remove_one}, {"list", list}};

    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (c->argc > 0 && !strcmp(c->argv[0], verbs[i].verb))
            return verbs[i].run(c);
    return c->argc == 0 ? list(c) : cli_usage(c);
}
