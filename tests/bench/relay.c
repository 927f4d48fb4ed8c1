/* relay.c - the shortest way of a job that loses nothing, with nothing in it.
 *
 *   LPUSH intake ──▶ Redis ──BLMOVE──▶ relay ──store──▶ Redis ──BRPOP──▶ caller
 *                                                         ▲                │
 *                         simulator ◀──request──          └──claim, start──┘
 *
 * The hops are flotilla's: whoever takes a job in is not who runs it, both wait blocked, it is
 * stored before it leaves `taken`, claimed and then started (a script may only touch keys that it
 * was given, so the record's name must be known first), and called when the start is known.  But
 * the document is the request's body: nothing is parsed, checked, decided or measured, the scripts
 * have no more than the commands that they need, and both programs block in one call at a time.
 * The bell tells the id, and claim and start go out in one write.
 *
 * So what this needs is the kernel's, Redis's and the simulator's on this machine; no queue whose
 * jobs go through Redis like that is faster. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bench.h"

enum { ANSWER_MAX = 16384, ID_MAX = 64 };

struct relay {
    pid_t pids[2];
};

/* KEYS: record, ready, wake, taken.  ARGV: id, document. */
static const char store_script[] =
    "redis.call('SET', KEYS[1], ARGV[2], 'NX') redis.call('LPUSH', KEYS[2], ARGV[1]) "
    "redis.call('LPUSH', KEYS[3], ARGV[1]) redis.call('LREM', KEYS[4], -1, ARGV[2]) return 1";
/* KEYS: ready, active. */
static const char claim_script[] = "local id = redis.call('RPOP', KEYS[1]) "
                                   "if id then redis.call('SADD', KEYS[2], id) end return id";
/* KEYS: record, active.  ARGV: id. */
static const char start_script[] = "if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 0 then return "
                                   "false end redis.call('SETRANGE', KEYS[1], 0, '{') "
                                   "return redis.call('GET', KEYS[1])";

struct script_sha {
    char hex[41];
};

static redisReply *must(redisContext *c, void *reply)
{
    redisReply *r = reply;

    if (!r || r->type == REDIS_REPLY_ERROR)
        ck_abort_msg("relay: %s", r ? r->str : c->errstr);
    return r;
}

static struct script_sha load(redisContext *c, const char *text)
{
    redisReply *r = must(c, redisCommand(c, "SCRIPT LOAD %s", text));
    struct script_sha sha = {0};

    snprintf(sha.hex, sizeof sha.hex, "%s", r->str);
    freeReplyObject(r);
    return sha;
}

/* ---- who takes in ---- */

static void take_in(struct world *w)
{
    redisContext *waits = bench_connect(w, 0), *c = bench_connect(w, 0);
    struct script_sha store = load(c, store_script);

    for (int64_t i = 0;; i++) {
        redisReply *r =
            must(waits, redisCommand(waits, "BLMOVE bare:{0}:intake bare:{0}:taken RIGHT LEFT 0"));
        char id[ID_MAX];

        snprintf(id, sizeof id, "b-%lld", (long long)i);
        freeReplyObject(
            must(c, redisCommand(c,
                                 "EVALSHA %s 4 bare:{0}:job:%s bare:{0}:ready bare:{0}:wake "
                                 "bare:{0}:taken %s %b",
                                 store.hex, id, id, r->str, r->len)));
        freeReplyObject(r);
    }
}

/* ---- who calls ---- */

struct caller {
    redisContext *waits, *c;
    int provider;
    struct script_sha claim, start;
};

static redisReply *claim_and_start(struct caller *r, const char *id)
{
    void *reply = NULL;

    redisAppendCommand(r->c, "EVALSHA %s 2 bare:{0}:ready bare:{0}:active", r->claim.hex);
    redisAppendCommand(r->c, "EVALSHA %s 2 bare:{0}:job:%s bare:{0}:active %s", r->start.hex, id,
                       id);
    if (redisGetReply(r->c, &reply) != REDIS_OK)
        ck_abort_msg("relay: %s", r->c->errstr);
    freeReplyObject(must(r->c, reply));
    if (redisGetReply(r->c, &reply) != REDIS_OK)
        ck_abort_msg("relay: %s", r->c->errstr);
    return must(r->c, reply);
}

static void call(int provider, const char *body, size_t n)
{
    char text[ANSWER_MAX + 1];
    int head = snprintf(text, sizeof text,
                        "POST /v1/chat/completions HTTP/1.1\r\nHost: bare\r\n"
                        "Content-Type: application/json\r\n"
                        "Authorization: Bearer a-key-of-the-tests\r\n"
                        "Content-Length: %zu\r\n\r\n%.*s",
                        n, (int)n, body);
    ssize_t got;

    if (send(provider, text, (size_t)head, MSG_NOSIGNAL) != head)
        ck_abort_msg("relay: send: %s", strerror(errno));
    got = recv(provider, text, ANSWER_MAX, 0); /* small answers come in one piece */
    text[got > 0 ? got : 0] = '\0';
    if (strncmp(text, "HTTP/1.1 200 ", 13) != 0)
        ck_abort_msg("relay: an answer that was not expected: %.200s", text);
}

static void make_calls(struct world *w)
{
    struct caller r = {.waits = bench_connect(w, 0),
                       .c = bench_connect(w, 0),
                       .provider = bare_connect(w->sim_url)};

    r.claim = load(r.c, claim_script);
    r.start = load(r.c, start_script);
    for (;;) {
        redisReply *bell = must(r.waits, redisCommand(r.waits, "BRPOP bare:{0}:wake 0")), *doc;

        ck_assert_uint_eq(bell->elements, 2);
        doc = claim_and_start(&r, bell->element[1]->str);
        call(r.provider, doc->str, doc->len);
        freeReplyObject(must(r.c, redisCommand(r.c, "DEL bare:{0}:job:%s", bell->element[1]->str)));
        bench_int(r.c, "LPUSH bare:{0}:done 1");
        freeReplyObject(doc);
        freeReplyObject(bell);
    }
}

/* ---- life ---- */

static pid_t run(struct world *w, void (*program)(struct world *))
{
    pid_t pid = fork();

    if (pid < 0)
        ck_abort_msg("fork: %s", strerror(errno));
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    program(w);
    _exit(1);
}

struct relay *relay_start(struct world *w)
{
    struct relay *r = calloc(1, sizeof *r);

    if (!r)
        abort();
    r->pids[0] = run(w, take_in);
    r->pids[1] = run(w, make_calls);
    return r;
}

void relay_stop(struct relay *r)
{
    for (size_t i = 0; i < ARRAY_LEN(r->pids); i++) {
        kill(r->pids[i], SIGKILL);
        waitpid(r->pids[i], NULL, 0);
    }
    free(r);
}
