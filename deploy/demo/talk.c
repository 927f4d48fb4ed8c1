/* talk.c - Redis and the simulator, one call at a time, on the common libraries. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"
#include "common/io/http_client.h"
#include "common/queue/connect.h"
#include "deploy/demo/demo.h"

enum { ANSWER_MAX = 64 << 20, ADMIN_MS = 10000 };

bool talk_open(struct demo *d, struct err *err)
{
    d->loop = loop_new();
    d->http = http_client_new(d->loop, NULL);
    keys_init(&d->keys, d->cfg->redis_prefix);
    d->redis = connect_now(d->loop, d->cfg, "flotilla-demo", err);
    return d->redis != NULL;
}

void talk_close(struct demo *d)
{
    redis_free(d->redis);
    http_client_free(d->http);
    keys_done(&d->keys);
    loop_free(d->loop);
}

const struct reply *talk(struct demo *d, ...)
{
    struct redis_args a;
    struct err err = {0};
    const struct reply *reply;
    va_list ap;

    va_start(ap, d);
    redis_args_words(&a, ap);
    va_end(ap);
    reply = redis_call(d->redis, &a, &err);
    if (!reply)
        fprintf(stderr, "demo: redis: %s\n", err.msg);
    return reply;
}

/* ---- the simulator ---- */

struct exchange {
    bool done;
    json_t *value;
    struct err err;
};

static void on_answer(void *arg, const struct http_reply *reply)
{
    struct exchange *x = arg;
    json_error_t e;

    x->done = true;
    if (reply->outcome != HTTP_ANSWERED)
        err_set(&x->err, ERR_CONNECT, "simulator: %s", reply->detail);
    else if (reply->status != 200)
        err_set(&x->err, ERR_BAD_ANSWER, "simulator: %d %.*s", reply->status,
                (int)(reply->body.n < 300 ? reply->body.n : 300), reply->body.p);
    else if (!(x->value = json_loadb(reply->body.p, reply->body.n, 0, &e)))
        err_set(&x->err, ERR_BAD_ANSWER, "simulator: %s", e.text);
}

json_t *talk_sim(struct demo *d, const char *path, const char *body, struct err *err)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    struct exchange x = {0};
    char url[256];
    const struct http_request q = {.method = body ? "POST" : "GET",
                                   .url = url,
                                   .headers = headers,
                                   .body = {body, body ? strlen(body) : 0},
                                   .timeout_ms = ADMIN_MS,
                                   .max_answer_bytes = ANSWER_MAX,
                                   .plain_http_allowed = true,
                                   .on_done = on_answer,
                                   .arg = &x};

    snprintf(url, sizeof url, "%s/_sim/%s", d->sim, path);
    http_send(d->http, &q);
    while (!x.done)
        loop_turn(d->loop, 1000);
    if (!x.value)
        *err = x.err;
    return x.value;
}

/* ---- leaving nothing behind ---- */

static void unlink_keys(struct demo *d, char **names, size_t n)
{
    struct redis_args a;
    struct err err;

    redis_args_init(&a);
    redis_arg_str(&a, "UNLINK");
    for (size_t i = 0; i < n; i++) {
        redis_arg_str(&a, names[i]);
        free(names[i]);
    }
    if (n > 0)
        (void)redis_call(d->redis, &a, &err);
    else
        redis_args_done(&a);
}

void talk_clean(struct demo *d)
{
    char pattern[64], cursor[32] = "0";

    snprintf(pattern, sizeof pattern, "%s:*", d->cfg->redis_prefix);
    do {
        const struct reply *r = talk(d, "SCAN", cursor, "MATCH", pattern, "COUNT", "1000", NULL);
        const struct reply *keys = reply_at(r, 1);
        size_t n = reply_count(keys);
        char **names = xcalloc(n + 1, sizeof *names);

        for (size_t i = 0; i < n; i++) {
            struct span s = reply_span(reply_at(keys, i));
            names[i] = xstrndup(s.p, s.n);
        }
        snprintf(cursor, sizeof cursor, "%.*s", (int)reply_span(reply_at(r, 0)).n,
                 reply_span(reply_at(r, 0)).p);
        unlink_keys(d, names, n);
        free(names);
    } while (strcmp(cursor, "0") != 0 && cursor[0]);
}
