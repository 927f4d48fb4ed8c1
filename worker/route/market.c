/* market.c - see market.h.
 *
 *   heartbeat ─ stamp differs ──▶ GET fl:{0}:models:<provider> ──▶ prices of known routes,
 *       │                                                          new ids as routes that only
 *       │                                                          a job that names them takes
 *       └────── digest differs ─▶ HGETALL fl:{0}:routes ─────────▶ routes added and removed
 *
 * overlay.h says which source wins.  A bad entry of the routes is an alert, and
 * is ignored. */
#include "worker/route/market.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "common/model/model_doc.h"
#include "common/queue/alert.h"
#include "common/route/overlay.h"
#include "common/route/route_doc.h"
#include "worker/env.h"

enum { STAMP_MAX = 65, AGAIN_MS = 60000 };

struct shelf {
    struct market *m;
    char *provider;
    char stamp[STAMP_MAX]; /* of the catalogue in the table; "": none, or it must be read again */
    char heard[STAMP_MAX]; /* of the catalogue that is being read */
    int64_t not_before_ms; /* it was not there: look again then */
    bool asking;
};

struct market {
    const struct env *env;
    struct routes *routes;
    struct shelf *shelves;
    size_t count;
    char digest[STAMP_MAX], heard[STAMP_MAX]; /* of the routes, in the same way */
    bool asking;
};

static void copy(char text[STAMP_MAX], struct span s)
{
    snprintf(text, STAMP_MAX, "%.*s", (int)(s.n < STAMP_MAX ? s.n : STAMP_MAX - 1), s.p ? s.p : "");
}

static bool is(const char *text, struct span s)
{
    return strlen(text) == s.n && (s.n == 0 || !memcmp(text, s.p, s.n));
}

/* ---- catalogues ---- */

static void take_over(struct shelf *s, struct model_table *rows)
{
    size_t changed = overlay_catalogue(s->m->routes, s->provider, rows);

    log_event(LOG_INFO, "catalogue.loaded", "provider=%s models=%zu changed=%zu", s->provider,
              rows->count, changed);
}

static void market_on_catalogue(void *arg, const struct reply *reply, const struct err *err)
{
    struct shelf *s = arg;
    struct model_table rows;
    int64_t fetched_ms;

    (void)err;
    s->asking = false;
    if (!reply) /* the next heartbeat tries again */
        return;
    if (catalogue_doc_read(reply_span(reply), &rows, &fetched_ms)) {
        take_over(s, &rows);
        model_table_done(&rows);
        memcpy(s->stamp, s->heard, sizeof s->stamp);
    } else {
        s->not_before_ms = clock_mono_ms() + AGAIN_MS;
    }
}

static void read_catalogue(struct shelf *s, struct span stamp)
{
    const struct env *env = s->m->env;
    struct redis_args a;

    copy(s->heard, stamp);
    s->asking = true;
    redis_args_make(&a, "GET", key_word(env->keys.models, s->provider));
    redis_send(env->redis, &a, market_on_catalogue, s);
}

static void hear_stamp(struct market *m, struct span provider, struct span stamp)
{
    for (size_t i = 0; i < m->count; i++) {
        struct shelf *s = &m->shelves[i];

        if (is(s->provider, provider) && !is(s->stamp, stamp) && !is("none", stamp) && !s->asking &&
            clock_mono_ms() >= s->not_before_ms)
            read_catalogue(s, stamp);
    }
}

/* ---- routes ---- */

static void refuse(struct market *m, struct span id, const struct err *why)
{
    char subject[MODEL_ID_MAX + 1], text[1024];
    size_t n = id.n < MODEL_ID_MAX ? id.n : MODEL_ID_MAX;

    for (size_t i = 0; i < n; i++)
        subject[i] = id.p[i] > 0x20 && id.p[i] < 0x7f ? id.p[i] : '?';
    subject[n] = '\0';
    snprintf(text, sizeof text, "the route '%s' in %s is ignored: %s", subject,
             key(&m->env->keys, KEY_ROUTES), why->msg);
    log_event(LOG_WARN, "route.bad", "model=%s msg=%s", subject, log_quote(why->msg));
    alert_send(m->env->redis, &m->env->keys, "bad_route", subject, text);
}

static void alert_many(struct market *m, size_t n)
{
    char text[256];

    snprintf(text, sizeof text, "%s has %zu routes, of which only %d are used: remove some",
             key(&m->env->keys, KEY_ROUTES), n, ROUTE_DOCS_MAX);
    log_event(LOG_WARN, "routes.many", "routes=%zu used=%d", n, ROUTE_DOCS_MAX);
    alert_send(m->env->redis, &m->env->keys, "bad_route", "(many)", text);
}

static void add_route(struct market *m, struct span id, struct span doc)
{
    struct err err = {0};

    if (!overlay_route(m->routes, id, doc, &err))
        refuse(m, id, &err);
}

/* Is there a readable field of that name, for that provider? */
static bool has_field(const struct market *m, const struct reply *pairs, const struct model *row)
{
    for (size_t i = 0; i + 1 < reply_count(pairs); i += 2) {
        struct model doc;
        struct err err;
        bool same;

        if (!is(row->id, reply_span(reply_at(pairs, i))) ||
            !route_doc_read(reply_span(reply_at(pairs, i)), reply_span(reply_at(pairs, i + 1)),
                            m->env->cfg, &doc, &err))
            continue;
        same = strcmp(doc.provider, row->provider) == 0;
        model_done(&doc);
        return same;
    }
    return false;
}

static void remove_routes(struct market *m, const struct reply *pairs)
{
    struct routes *t = m->routes;

    for (size_t i = 0; i < t->count; i++) {
        const struct route *r = t->of[i];

        if (r->there && r->source == ROUTE_RUNTIME && !has_field(m, pairs, &r->model))
            routes_remove(t, r->model.provider, (struct span){r->model.id, strlen(r->model.id)});
    }
}

static void market_on_routes(void *arg, const struct reply *reply, const struct err *err)
{
    struct market *m = arg;
    size_t n = reply_count(reply) / 2;

    m->asking = false;
    if (!reply) {
        if (err->kind ==
            ERR_REDIS) { /* the key is of another type: one alert, not one per second */
            refuse(m, (struct span){"*", 1}, err);
            memcpy(m->digest, m->heard, sizeof m->digest);
        }
        return;
    }
    if (n > ROUTE_DOCS_MAX) {
        alert_many(m, n);
        n = ROUTE_DOCS_MAX;
    }
    remove_routes(m, reply);
    for (size_t i = 0; i < n; i++)
        add_route(m, reply_span(reply_at(reply, 2 * i)), reply_span(reply_at(reply, 2 * i + 1)));
    for (size_t i = 0; i < m->count; i++) /* their prices of these models may count again */
        m->shelves[i].stamp[0] = '\0';
    memcpy(m->digest, m->heard, sizeof m->digest);
    log_event(LOG_INFO, "routes.loaded", "routes=%zu", n);
}

static void hear_digest(struct market *m, struct span digest)
{
    if (m->asking || is(m->digest, digest))
        return;
    copy(m->heard, digest);
    m->asking = true;
    redis_sendv(m->env->redis, market_on_routes, m, "HGETALL", key(&m->env->keys, KEY_ROUTES),
                NULL);
}

/* ---- life ---- */

void market_hear(struct market *m, const struct reply *stamps, struct span digest)
{
    hear_digest(m, digest);
    for (size_t i = 0; i + 1 < reply_count(stamps); i += 2)
        hear_stamp(m, reply_span(reply_at(stamps, i)), reply_span(reply_at(stamps, i + 1)));
}

struct market *market_new(const struct env *env, struct routes *routes)
{
    struct market *m = xcalloc(1, sizeof *m);

    m->env = env;
    m->routes = routes;
    m->count = env->cfg->provider_count;
    m->shelves = xcalloc(m->count ? m->count : 1, sizeof *m->shelves);
    for (size_t i = 0; i < m->count; i++) {
        m->shelves[i].m = m;
        m->shelves[i].provider = xstrdup(env->cfg->providers[i].name);
    }
    return m;
}

void market_free(struct market *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->count; i++)
        free(m->shelves[i].provider);
    free(m->shelves);
    free(m);
}
