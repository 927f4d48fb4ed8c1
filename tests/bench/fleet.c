/* fleet.c - flotilla's programs in a world, jobs in, and waiting for the end.
 *
 * Jobs go in as producers send them: one LPUSH per document, pipelined. */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

enum { PIPELINE = 500, POLL_US = 2000, SETTINGS_MAX = 16 };

/* ---- programs --------------------------------------------------------------- */
void fleet_start(struct fleet *f, struct world *w, int processes, int concurrency,
                 const char *const *settings)
{
    const char *all[SETTINGS_MAX + 1] = {
        world_text(w, "FLOTILLA_WORKERS_PROCESSES=%d", processes),
        world_text(w, "FLOTILLA_WORKERS_CONCURRENCY=%d", concurrency)};
    size_t n = 2;

    while (settings && *settings && n < SETTINGS_MAX)
        all[n++] = *settings++;
    *f = (struct fleet){.w = w};
    f->scheduler = world_start_scheduler(w);
    f->party.redis = w->redis->pid;
    f->party.scheduler = f->scheduler->pid;
    WAIT_UNTIL(w, 10000, world_int(w, "EXISTS fl:{0}:lease") == 1);
    if (processes == 0)
        return;
    f->worker = world_start(w, "flotilla-worker", NULL, all);
    WAIT_UNTIL(w, 10000, world_int(w, "HLEN fl:{0}:workers") == processes);
    f->party.count = world_worker_pids(f->worker, f->party.workers, PARTY_MAX);
    ck_assert_int_eq((int)f->party.count, processes);
}

/* ---- Redis ------------------------------------------------------------------ */
redisContext *bench_connect(struct world *w, int database)
{
    redisContext *c = redisConnectUnix(w->redis_socket);

    if (!c || c->err)
        world_fail(w, "no connection to %s", w->redis_socket);
    bench_int(c, "SELECT %d", database);
    return c;
}

static int64_t integer(redisContext *c, redisReply *r, const char *what)
{
    int64_t v;

    if (!r)
        ck_abort_msg("%s: %s", what, c->errstr);
    if (r->type == REDIS_REPLY_ERROR)
        ck_abort_msg("%s: %s", what, r->str);
    v = r->type == REDIS_REPLY_INTEGER ? r->integer : 0;
    freeReplyObject(r);
    return v;
}

int64_t bench_int(redisContext *c, const char *fmt, ...)
{
    redisReply *r;
    va_list ap;

    va_start(ap, fmt);
    r = redisvCommand(c, fmt, ap);
    va_end(ap);
    return integer(c, r, fmt);
}

static void read_replies(redisContext *c, int n)
{
    for (; n > 0; n--) {
        void *r = NULL;

        if (redisGetReply(c, &r) != REDIS_OK)
            ck_abort_msg("pipeline: %s", c->errstr);
        integer(c, r, "LPUSH");
    }
}

void push_documents(redisContext *c, const char *list, document_fn *document, int64_t from,
                    int64_t count)
{
    int under_way = 0;

    for (int64_t i = from; i < from + count; i++) {
        char text[4096];
        int n = document(text, sizeof text, i);

        redisAppendCommand(c, "LPUSH %s %b", list, text, (size_t)n);
        if (++under_way == PIPELINE) {
            read_replies(c, under_way);
            under_way = 0;
        }
    }
    read_replies(c, under_way);
}

void bench_wait(struct world *w, redisContext *c, const char *command, int64_t least,
                int timeout_ms)
{
    int64_t until = mono_us() + (int64_t)timeout_ms * 1000, have;

    while ((have = bench_int(c, command)) < least) {
        if (mono_us() > until)
            world_fail(w, "%s is %lld after %d ms, not %lld", command, (long long)have, timeout_ms,
                       (long long)least);
        sleep_until_us(mono_us() + POLL_US);
    }
}

/* ---- documents -------------------------------------------------------------- */
int noop_document(char *text, size_t size, int64_t i)
{
    return snprintf(text, size, "{\"id\":\"n-%07lld\",\"type\":\"noop\",\"payload\":{}}",
                    (long long)i);
}

/* A document with `bytes` bytes: head, as many letters as fit, end. */
static int fill(char *text, size_t size, size_t bytes, const char *head, const char *end)
{
    static char letters[2048];
    size_t rest = bytes - strlen(head) - strlen(end);

    if (bytes >= size || rest > sizeof letters)
        ck_abort_msg("a document of %zu bytes does not fit", bytes);
    memset(letters, 'x', sizeof letters);
    return snprintf(text, size, "%s%.*s%s", head, (int)rest, letters, end);
}

int noop_document_300(char *text, size_t size, int64_t i)
{
    char head[100];

    snprintf(head, sizeof head, "{\"id\":\"p-%07lld\",\"type\":\"noop\",\"payload\":{\"result\":\"",
             (long long)i);
    return fill(text, size, 300, head, "\"}}");
}

static int chat_document(char *text, size_t size, int64_t i, size_t bytes)
{
    char head[200];

    snprintf(head, sizeof head,
             "{\"id\":\"c-%07lld\",\"type\":\"inference\",\"payload\":{\"task\":\"chat\",\"body\":"
             "{\"max_tokens\":16,\"messages\":[{\"role\":\"user\",\"content\":\"",
             (long long)i);
    return fill(text, size, bytes, head, "\"}]}}}");
}

int chat_document_300(char *text, size_t size, int64_t i)
{
    return chat_document(text, size, i, 300);
}

int chat_document_1k(char *text, size_t size, int64_t i)
{
    return chat_document(text, size, i, 1024 + 80);
}
