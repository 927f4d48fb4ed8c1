/* catalogue.c - fetches what a provider offers, at what price (GET /models); internal.
 *
 *   fetch ──answered──▶ compare ────▶ keep ─────────────────▶ publish ────────────▶ done
 *     │                 with what     fl:{0}:models:          fl:{0}:catalogues: its
 *     │                 was kept      <provider>              stamp, which all workers
 *     │                 (alerts)                              learn with their heartbeat
 *     └──anything else──▶ the same step later; after all pauses the next hour's job has its turn
 *
 * The scheduler makes one such job per provider and hour (payload.provider).  It
 * costs nothing, so it is sent again without much ado, and however it ends it is
 * no dead job: prices stay as they are known then.  A provider that has no
 * catalogue (404) is logged once, and is fine. */
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/json.h"
#include "common/core/log.h"
#include "common/core/random.h"
#include "common/core/xalloc.h"
#include "common/model/dearer.h"
#include "common/model/model_doc.h"
#include "common/queue/alert.h"
#include "common/route/routes.h"
#include "worker/clients.h"
#include "worker/job_types.h"
#include "worker/route/changes.h"
#include "worker/together/catalogue.h"

enum { TIMEOUT_MS = 30000, ANSWER_MAX = 16 << 20, KEPT_MAX = 16 << 20, STAMP = 17 };
enum { CHANGES_MAX = 8 };
/* Kept until the next one is there, even when that comes a little late. */
#define GRACE_MS INT64_C(300000)
#define NONE     "none" /* the stamp of a provider without a catalogue */

static const int64_t pauses_ms[] = {5000, 30000, 120000, 600000};

/* What callbacks hold: outlives a run that was aborted. */
struct fetch {
    struct process *p;
    struct run *run; /* NULL: aborted */
    const struct config_provider *provider;
    struct http_call *call; /* under way */
    bool asking;            /* a call or a command is under way: its callback will come */
    struct model_table rows;
    struct model_table dearer; /* what cost more in the last hour */
    int64_t dearer_ms;         /* since when */
    char stamp[STAMP];         /* of what was fetched */
    int64_t tries;
};

static void fetch_free(struct fetch *f)
{
    model_table_done(&f->rows);
    model_table_done(&f->dearer);
    free(f);
}

/* A callback begins: its run; NULL when that was aborted, and f is gone. */
static struct run *run_of(struct fetch *take_f)
{
    struct run *r = take_f->run;

    take_f->asking = false;
    take_f->call = NULL;
    if (!r)
        fetch_free(take_f);
    return r;
}

/* ---- ends ---- */

static void catalogue_end(struct run *r, const char *said)
{
    struct fetch *f = r->state;
    struct buf out = BUF(4096);

    buf_putc(&out, '{');
    json_add_str(&out, "catalogue", said);
    json_add_int(&out, "models", (int64_t)f->rows.count);
    buf_putc(&out, '}');
    run_done(r, buf_span(&out));
    buf_done(&out);
}

static void failed(struct run *r, const char *why)
{
    struct fetch *f = r->state;
    char progress[64];
    int64_t pause;

    if (f->tries >= (int64_t)ARRAY_LEN(pauses_ms)) {
        log_event(LOG_WARN, "catalogue.failed", "provider=%s msg=%s", f->provider->name,
                  log_quote(why));
        catalogue_end(r, why);
        return;
    }
    pause = pauses_ms[f->tries];
    log_event(LOG_DEBUG, "catalogue.again", "provider=%s wait_ms=%" PRId64 " msg=%s",
              f->provider->name, pause, log_quote(why));
    snprintf(progress, sizeof progress, "{\"tries\":%" PRId64 "}", f->tries + 1);
    run_poll(r, "fetch", pause + random_below(pause / 4 + 1),
             (struct span){progress, strlen(progress)});
}

/* ---- keeping ---- */

static void on_published(void *arg, const struct reply *reply, const struct err *err)
{
    struct fetch *f = arg;
    struct run *r = run_of(f);

    if (!r)
        return;
    RUN_SCOPE(r);

    if (!reply)
        failed(r, err->msg);
    else
        catalogue_end(r, f->rows.count ? "kept" : NONE);
}

static void publish(struct fetch *f)
{
    f->asking = true;
    redis_sendv(f->p->env.redis, on_published, f, "HSET", key(&f->p->env.keys, KEY_CATALOGUES),
                f->provider->name, f->stamp, NULL);
}

static void on_kept(void *arg, const struct reply *reply, const struct err *err)
{
    struct fetch *f = arg;
    struct run *r = run_of(f);

    if (!r)
        return;
    RUN_SCOPE(r);

    if (reply)
        publish(f);
    else
        failed(r, err->msg);
}

/* The stamp is that of the models: fetched at another time they are the same. */
static void make_stamp(struct fetch *f)
{
    unsigned char md[EVP_MAX_MD_SIZE] = {0};
    struct buf text = BUF(KEPT_MAX);

    catalogue_doc_write(&f->rows, f->provider->name, 0, &text);
    EVP_Digest(text.p, text.n, md, NULL, EVP_sha256(), NULL);
    for (size_t i = 0; i < (STAMP - 1) / 2; i++)
        snprintf(f->stamp + 2 * i, 3, "%02x", md[i]);
    buf_done(&text);
}

static void keep(struct fetch *f)
{
    const struct config *c = f->p->env.cfg;
    int64_t next_ms = c->routing_catalogue_ms, ttl_ms = c->cache_models_ttl_ms;
    struct buf text = BUF(KEPT_MAX);
    struct redis_args a;

    make_stamp(f);
    catalogue_doc_write(&f->rows, f->provider->name, clock_wall_ms(), &text);
    if (f->dearer.count)
        catalogue_doc_add_dearer(&text, &f->dearer, f->dearer_ms);
    redis_args_make(&a, "SET", key_word(f->p->env.keys.models, f->provider->name), buf_span(&text),
                    "PX", max64(ttl_ms, next_ms) + GRACE_MS);
    f->asking = true;
    redis_send(f->p->env.redis, &a, on_kept, f);
    buf_done(&text);
}

/* ---- comparing ---- */

/* What may be called here, as it counts now.  Borrowed rows: only the array is the caller's. */
static struct model_table known_models(const struct routes *t)
{
    struct model_table known = {.rows = xcalloc(t->count ? t->count : 1, sizeof *known.rows)};

    for (size_t i = 0; i < t->count; i++)
        if (t->of[i]->there && t->of[i]->source != ROUTE_CATALOGUE)
            known.rows[known.count++] = t->of[i]->model;
    return known;
}

static void alert_changes(struct fetch *f, const struct model_table *before)
{
    struct model_table known = known_models(f->p->routes);
    const struct changes_in in = {.known = &known,
                                  .before = before,
                                  .now = &f->rows,
                                  .provider = f->provider->name,
                                  .percent = f->p->env.cfg->routing_price_alert_percent};
    struct change list[CHANGES_MAX];
    size_t n = changes_find(&in, list, CHANGES_MAX);
    char text[CHANGE_TEXT];

    for (size_t i = 0; i < n && i < CHANGES_MAX; i++) {
        const char *code = change_code(list[i].kind);

        change_text(&list[i], text);
        log_event(LOG_WARN, "catalogue.changed", "code=%s msg=%s", code, log_quote(text));
        alert_send(f->p->env.redis, &f->p->env.keys, code, list[i].known->id, text);
    }
    free(known.rows);
    if (n <= CHANGES_MAX)
        return;
    snprintf(text, sizeof text, "%zu more models of %s are dearer or not listed any more",
             n - CHANGES_MAX, f->provider->name);
    alert_send(f->p->env.redis, &f->p->env.keys, "price_changed", f->provider->name, text);
}

/* doc: the catalogue that was kept before. */
static void note_dearer(struct fetch *f, const struct model_table *before, struct span doc)
{
    struct model_table older = {0};
    int64_t now_ms = clock_wall_ms(), at_ms = 0;

    dearer_add(&f->dearer, &f->rows, before);
    f->dearer_ms = now_ms;
    if (!catalogue_doc_read_dearer(doc, &older, &at_ms))
        return;
    if (!f->dearer.count)
        f->dearer_ms = at_ms;
    if (at_ms > now_ms - DEARER_MS)
        dearer_add(&f->dearer, &f->rows, &older);
    model_table_done(&older);
}

static void on_before(void *arg, const struct reply *reply, const struct err *err)
{
    struct fetch *f = arg;
    struct run *r = run_of(f);
    struct model_table before = {0};
    int64_t fetched_ms = 0;

    if (!r)
        return;
    RUN_SCOPE(r);

    if (!reply) {
        failed(r, err->msg);
    } else {
        bool kept = catalogue_doc_read(reply_span(reply), &before, &fetched_ms);

        alert_changes(f, kept ? &before : NULL);
        if (kept)
            note_dearer(f, &before, reply_span(reply));
        model_table_done(&before);
        keep(f);
    }
}

static void compare(struct fetch *f)
{
    struct redis_args a;

    redis_args_make(&a, "GET", key_word(f->p->env.keys.models, f->provider->name));
    f->asking = true;
    redis_send(f->p->env.redis, &a, on_before, f);
}

/* ---- fetching ---- */

static void on_stamp(void *arg, const struct reply *reply, const struct err *err)
{
    struct fetch *f = arg;
    struct run *r = run_of(f);

    if (!r)
        return;
    RUN_SCOPE(r);

    if (!reply) {
        failed(r, err->msg);
    } else {
        if (!reply_is(reply, NONE))
            log_event(LOG_INFO, "catalogue.none", "provider=%s", f->provider->name);
        snprintf(f->stamp, sizeof f->stamp, NONE);
        publish(f);
    }
}

static void note_none(struct fetch *f)
{
    f->asking = true;
    redis_sendv(f->p->env.redis, on_stamp, f, "HGET", key(&f->p->env.keys, KEY_CATALOGUES),
                f->provider->name, NULL);
}

static bool has_none(int status) { return status == 404 || status == 405 || status == 501; }

static void answered(struct run *r, const struct http_reply *reply)
{
    struct fetch *f = r->state;
    struct err err = {0};
    char why[96];

    if (has_none(reply->status)) {
        note_none(f);
    } else if (reply->status != 200) {
        snprintf(why, sizeof why, "%s answered %d to GET /models", f->provider->name,
                 reply->status);
        failed(r, why);
    } else if (catalogue_read(reply->body, f->provider->name, &f->rows, &err)) {
        compare(f);
    } else {
        failed(r, err.msg);
    }
}

static void on_done(void *arg, const struct http_reply *reply)
{
    struct fetch *f = arg;
    struct run *r = run_of(f);

    if (!r)
        return;
    RUN_SCOPE(r);

    if (reply->outcome == HTTP_ANSWERED)
        answered(r, reply);
    else
        failed(r, reply->detail && *reply->detail ? reply->detail : "no complete answer");
}

static void catalogue_send(struct fetch *f)
{
    const struct config *c = f->p->env.cfg;
    const char *headers[3] = {"Accept: application/json"};
    char url[1024], authorization[1024];
    const struct http_request q = {.method = "GET",
                                   .url = url,
                                   .headers = headers,
                                   .timeout_ms = TIMEOUT_MS,
                                   .connect_timeout_ms = c->providers_connect_timeout_ms,
                                   .max_answer_bytes = ANSWER_MAX,
                                   .plain_http_allowed =
                                       f->provider->loopback || c->providers_allow_http,
                                   .on_done = on_done,
                                   .arg = f};

    snprintf(url, sizeof url, "%s/models", f->provider->base_url);
    if (f->provider->api_key) {
        snprintf(authorization, sizeof authorization, "Authorization: Bearer %s",
                 f->provider->api_key);
        headers[1] = authorization;
    }
    f->asking = true;
    f->call = http_send(clients_for(f->p->clients, f->provider->ca_file), &q);
}

/* ---- the step ---- */

static const struct config_provider *provider_of(const struct run *r)
{
    struct span name = json_at(r->job.payload, "provider");
    char text[64];

    return json_read_text(name, text, sizeof text) ? config_provider(r->p->env.cfg, text) : NULL;
}

static void catalogue_start(struct run *r)
{
    struct fetch *f = xcalloc(1, sizeof *f);

    r->state = f;
    f->p = r->p;
    f->run = r;
    f->provider = provider_of(r);
    if (!json_read_int(json_at(run_progress(r), "tries"), &f->tries))
        f->tries = 0;
    if (!f->provider || (!f->provider->api_key && !f->provider->loopback))
        catalogue_end(r, f->provider ? "no key" : "no such provider");
    else if (claimer_may_call(&r->p->claimer))
        catalogue_send(f);
    else
        run_requeue(r);
}

static void abort_fetch(struct run *r)
{
    struct fetch *f = r->state;

    if (!f || !f->asking)
        return;
    r->state = NULL; /* the callback frees it */
    f->run = NULL;
    if (f->call)
        http_cancel(f->call);
}

static void done(struct run *r)
{
    if (r->state)
        fetch_free(r->state);
}

static const struct step steps[] = {{"fetch", catalogue_start, abort_fetch}};
const struct job_type job_type_catalogue = {.steps = steps, .step_count = 1, .done = done};
