/* live.c - see live.h.
 *
 *   HGETALL fl:{0}:routes ── GET fl:{0}:models:<provider> ── ... ──▶ the last reply: callback
 *
 * All commands are sent at once.  Replies come in order, so the added routes are
 * there when prices are laid over them. */
#include "common/route/live.h"

#include <stdlib.h>

#include "common/core/xalloc.h"
#include "common/model/model_doc.h"
#include "common/route/overlay.h"
#include "common/route/route_doc.h"

struct live {
    struct routes *table;
    const struct config *cfg;
    size_t next; /* the provider whose catalogue comes */
    size_t waiting;
    bool dearest;
    struct err lost; /* ERR_NONE: not */
    live_cb *cb;
    void *arg;
};

static void live_on_reply(struct live *v, const struct err *err)
{
    if (err && err->kind == ERR_REDIS_LOST)
        v->lost = *err;
    if (--v->waiting > 0)
        return;
    if (v->lost.kind == ERR_NONE) {
        v->cb(v->arg, v->table, NULL);
    } else {
        routes_free(v->table);
        v->cb(v->arg, NULL, &v->lost);
    }
    free(v);
}

static void live_on_routes(void *arg, const struct reply *reply, const struct err *err)
{
    struct live *v = arg;
    struct err why;

    for (size_t i = 0; i + 1 < reply_count(reply) && i < 2 * (size_t)ROUTE_DOCS_MAX; i += 2)
        if (!overlay_route(v->table, reply_span(reply_at(reply, i)),
                           reply_span(reply_at(reply, i + 1)), &why))
            continue; /* the workers send the alert */
    live_on_reply(v, err);
}

static void live_on_catalogue(void *arg, const struct reply *reply, const struct err *err)
{
    struct live *v = arg;
    const char *provider = v->cfg->providers[v->next++].name;
    struct model_table rows;
    int64_t fetched_ms;

    if (catalogue_doc_read(reply_span(reply), &rows, &fetched_ms)) {
        overlay_catalogue(v->table, provider, &rows);
        model_table_done(&rows);
    }
    if (v->dearest && catalogue_doc_read_dearer(reply_span(reply), &rows, &fetched_ms)) {
        overlay_dearer(v->table, &rows);
        model_table_done(&rows);
    }
    live_on_reply(v, err);
}

static void live_start(struct live *v, struct redis *redis, const struct keys *keys)
{
    const struct config *cfg = v->cfg;

    v->table = routes_new(cfg);
    v->waiting = 1 + cfg->provider_count;
    redis_sendv(redis, live_on_routes, v, "HGETALL", key(keys, KEY_ROUTES), NULL);
    for (size_t i = 0; i < cfg->provider_count; i++) {
        struct redis_args a;

        redis_args_make(&a, "GET", key_word(keys->models, cfg->providers[i].name));
        redis_send(redis, &a, live_on_catalogue, v);
    }
}

void live_read(struct redis *redis, const struct keys *keys, const struct config *cfg, live_cb *cb,
               void *arg)
{
    struct live *v = xcalloc(1, sizeof *v);

    *v = (struct live){.cfg = cfg, .cb = cb, .arg = arg};
    live_start(v, redis, keys);
}

void live_read_dearest(struct redis *redis, const struct keys *keys, const struct config *cfg,
                       live_cb *cb, void *arg)
{
    struct live *v = xcalloc(1, sizeof *v);

    *v = (struct live){.cfg = cfg, .dearest = true, .cb = cb, .arg = arg};
    live_start(v, redis, keys);
}
