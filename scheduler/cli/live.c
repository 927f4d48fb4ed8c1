/* live.c - the table of routes as the workers have it: configuration, catalogues, added routes.
 *
 * The same overlay as theirs, from the same keys.  Health is not in it. */
#include "common/model/model_doc.h"
#include "common/route/overlay.h"
#include "scheduler/cli/cli.h"

static void add_routes(struct cli *c, struct routes *t)
{
    const struct reply *r = cli_callv(c, "HGETALL", key(&c->keys, KEY_ROUTES), NULL);
    struct err err;

    for (size_t i = 0; i + 1 < reply_count(r); i += 2) {
        struct span id = reply_span(reply_at(r, i));

        if (!overlay_route(t, id, reply_span(reply_at(r, i + 1)), &err))
            cli_fail(CLI_OK, "the route '%.*s' is ignored: %s", (int)id.n, id.p, err.msg);
    }
}

static void add_catalogue(struct cli *c, struct routes *t, const char *provider)
{
    struct model_table rows;
    struct redis_args a;
    int64_t fetched_ms;

    redis_args_make(&a, "GET", key_word(c->keys.models, provider));
    if (!catalogue_doc_read(reply_span(cli_call(c, &a)), &rows, &fetched_ms))
        return;
    overlay_catalogue(t, provider, &rows);
    model_table_done(&rows);
}

struct routes *cli_live_routes(struct cli *c)
{
    struct routes *t = routes_new(c->cfg);
    struct err err = {0};

    if (!c->redis && !cli_connect(c, &err)) {
        cli_fail(CLI_OK, "without catalogues, added routes and health: %s", err.msg);
        return t;
    }
    add_routes(c, t);
    for (size_t i = 0; i < c->cfg->provider_count; i++)
        add_catalogue(c, t, c->cfg->providers[i].name);
    return t;
}
