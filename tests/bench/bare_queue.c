/* bare_queue.c - the least that a queue does between an answer and the next request.
 *
 *   answers ──▶ finish + claim ──▶ ids ──▶ start ──▶ documents ──▶ requests
 *               (one write)                (one write)
 *
 * A claim takes ids, a start takes their documents: two round trips, because a script may only
 * touch keys that it was given, and nobody claims before there is a free connection.  All that came
 * in one turn of the loop shares them, and what comes meanwhile shares the next ones.  A finish
 * appends a result of the size of ours, and drops the record.  No JSON, no checks, no fences, no
 * costs; a request is stored as it goes out. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bare.h"

enum { PIPELINE = 500, RESULT_BYTES = 600, WORD_MAX = 64 };

/* KEYS: ready, active.  ARGV: how many. */
static const char claim_script[] =
    "local ids = redis.call('RPOP', KEYS[1], ARGV[1]) or {} "
    "if #ids > 0 then redis.call('SADD', KEYS[2], unpack(ids)) end return ids";
/* KEYS: records. */
static const char start_script[] =
    "local docs = redis.call('MGET', unpack(KEYS)) "
    "for i = 1, #KEYS do redis.call('SETRANGE', KEYS[i], 0, 'P') end return docs";
/* KEYS: active, results, records.  ARGV: a result, ids. */
static const char finish_script[] =
    "for i = 2, #ARGV do redis.call('XADD', KEYS[2], '*', 'id', ARGV[i], 'doc', ARGV[1]) end "
    "redis.call('DEL', unpack(KEYS, 3)) return redis.call('SREM', KEYS[1], unpack(ARGV, 2))";

struct bare_queue {
    redisContext *c;
    struct bare_caller **free;
    int free_n, most;
    char (*done)[BARE_ID_MAX];
    int done_n;
    char claim[41], start[41], finish[41], result[RESULT_BYTES + 1];
    /* the words of one command */
    const char **words;
    char (*texts)[WORD_MAX];
};

static redisReply *take_reply(redisContext *c)
{
    void *p = NULL;
    redisReply *r;

    if (redisGetReply(c, &p) != REDIS_OK)
        ck_abort_msg("bare: %s", c->errstr);
    r = p;
    if (r->type == REDIS_REPLY_ERROR)
        ck_abort_msg("bare: %s", r->str);
    return r;
}

static void load(redisContext *c, const char *text, char sha[41])
{
    redisReply *r;

    redisAppendCommand(c, "SCRIPT LOAD %s", text);
    r = take_reply(c);
    snprintf(sha, 41, "%s", r->str);
    freeReplyObject(r);
}

static void store(redisContext *c, int64_t count)
{
    char text[1024];
    size_t n = bare_request(text, sizeof text);
    int under_way = 0;

    for (int64_t i = 0; i < count; i++) {
        redisAppendCommand(c, "SET bare:{0}:job:%lld %b", (long long)i, text, n);
        redisAppendCommand(c, "LPUSH bare:{0}:ready %lld", (long long)i);
        if (++under_way == PIPELINE || i + 1 == count)
            for (; under_way > 0; under_way--) {
                freeReplyObject(take_reply(c));
                freeReplyObject(take_reply(c));
            }
    }
}

struct bare_queue *bare_queue_new(struct world *w, int connections, int64_t count)
{
    struct bare_queue *q = calloc(1, sizeof *q);
    size_t n = (size_t)connections;

    if (!q || !(q->free = calloc(n, sizeof(struct bare_caller *))) ||
        !(q->done = calloc(n, sizeof *q->done)) ||
        !(q->words = calloc(2 * n + 16, sizeof *q->words)) ||
        !(q->texts = calloc(n, sizeof *q->texts)))
        abort();
    q->most = connections;
    q->c = bench_connect(w, 0);
    memset(q->result, 'x', RESULT_BYTES);
    load(q->c, claim_script, q->claim);
    load(q->c, start_script, q->start);
    load(q->c, finish_script, q->finish);
    store(q->c, count);
    return q;
}

void bare_queue_free(struct bare_queue *q)
{
    if (!q)
        return;
    ck_assert_int_eq(bench_int(q->c, "EXISTS bare:{0}:ready bare:{0}:active"), 0);
    bench_int(q->c, "DEL bare:{0}:results");
    redisFree(q->c);
    free(q->free);
    free(q->done);
    free(q->words);
    free(q->texts);
    free(q);
}

void bare_queue_done(struct bare_queue *q, struct bare_caller *c)
{
    if (c->id[0])
        memcpy(q->done[q->done_n++], c->id, sizeof c->id);
    c->id[0] = '\0';
    q->free[q->free_n++] = c;
}

/* ---- a turn ---- */

static const char *record_key(struct bare_queue *q, int i, const char *id)
{
    snprintf(q->texts[i], WORD_MAX, "bare:{0}:job:%s", id);
    return q->texts[i];
}

static void send_finish(struct bare_queue *q)
{
    char keys[16];
    int n = 0;

    snprintf(keys, sizeof keys, "%d", q->done_n + 2);
    q->words[n++] = "EVALSHA";
    q->words[n++] = q->finish;
    q->words[n++] = keys;
    q->words[n++] = "bare:{0}:active";
    q->words[n++] = "bare:{0}:results";
    for (int i = 0; i < q->done_n; i++)
        q->words[n++] = record_key(q, i, q->done[i]);
    q->words[n++] = q->result;
    for (int i = 0; i < q->done_n; i++)
        q->words[n++] = q->done[i];
    redisAppendCommandArgv(q->c, n, q->words, NULL);
}

static redisReply *claim(struct bare_queue *q)
{
    if (q->done_n > 0)
        send_finish(q);
    redisAppendCommand(q->c, "EVALSHA %s 2 bare:{0}:ready bare:{0}:active %d", q->claim, q->free_n);
    if (q->done_n > 0)
        freeReplyObject(take_reply(q->c));
    q->done_n = 0;
    return take_reply(q->c);
}

static redisReply *start(struct bare_queue *q, const redisReply *ids)
{
    char keys[16];
    int n = 0;

    snprintf(keys, sizeof keys, "%d", (int)ids->elements);
    q->words[n++] = "EVALSHA";
    q->words[n++] = q->start;
    q->words[n++] = keys;
    for (size_t i = 0; i < ids->elements; i++)
        q->words[n++] = record_key(q, (int)i, ids->element[i]->str);
    redisAppendCommandArgv(q->c, n, q->words, NULL);
    return take_reply(q->c);
}

void bare_queue_turn(struct bare_queue *q, struct bare *b)
{
    redisReply *ids, *docs;

    if (q->free_n == 0 || (b->sent == b->count && q->done_n == 0))
        return;
    ids = claim(q);
    if (ids->elements > 0) {
        docs = start(q, ids);
        for (size_t i = 0; i < docs->elements; i++) {
            struct bare_caller *c = q->free[--q->free_n];

            snprintf(c->id, sizeof c->id, "%s", ids->element[i]->str);
            bare_send(b, c, docs->element[i]->str, docs->element[i]->len);
        }
        freeReplyObject(docs);
    }
    freeReplyObject(ids);
}
