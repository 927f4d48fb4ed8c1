/* soak_load.c - documents at a steady rate, whatever comes back, and how long noops take.
 *
 * The time of a push stands in the job's id, and the time of its end in the id
 * of its entry in the results stream, both of this machine's clock: nothing has
 * to be remembered of a job under way. */
#include "tests/chaos/soak.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BUCKETS = 60000, READ_COUNT = 2000, DOC_BYTES = 1024, BURST_MAX = 5000 };

/* A latency histogram, one bucket per ms. */
struct latencies {
    int64_t count, at[BUCKETS];
};

struct load {
    redisContext *redis;
    const char *hook_url;
    int rate;
    int64_t started_ms, pushed, ended;
    char last[64]; /* the last entry that was read */
    struct latencies window, all;
};

/* ---- documents -------------------------------------------------------------- */
#define CHAT(model)                                                                            \
    "{\"id\":\"%s\",\"type\":\"inference\",\"payload\":{\"task\":\"chat\",\"body\":{\"model\"" \
    ":\"" model "\",\"max_tokens\":16,\"temperature\":0.5,\"messages\":[{\"role\":\"user\","   \
    "\"content\":\"%s: how many?\"}]}}}"
#define FLAKY     "MiniMaxAI/MiniMax-M3"
#define THROTTLED "zai-org/GLM-5.2"

/* In each format %s stands for the id, twice in chats; @ in a model makes it one of its own. */
static const struct mix {
    int share;
    const char *format;
} mixture[] = {
    {45, "{\"id\":\"%s\",\"type\":\"noop\",\"payload\":{}}"},
    {20, CHAT("Qwen/Qwen3.5-9B")},
    {15, CHAT("openai/gpt-oss-20b")},
    {10, CHAT("zai-org/GLM-5.3-Flash")},
    {4, CHAT(FLAKY)},
    {3, CHAT(THROTTLED)},
    {2, "{\"id\":\"%s\",\"type\":\"noop\",\"payload\":{},\"webhook\":{\"url\":\"@hook\"}}"},
    {1, CHAT("nobody/@n")},
};

const char *load_flaky_model(void) { return FLAKY; }
const char *load_throttled_model(void) { return THROTTLED; }

static const struct mix *mix_of(int64_t i)
{
    int64_t at = i * 37 % 100; /* 37 and 100 have no common factor: all shares are met */

    for (size_t k = 0; k < ARRAY_LEN(mixture); k++)
        if ((at -= mixture[k].share) < 0)
            return &mixture[k];
    return &mixture[0];
}

static int64_t wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static size_t document(struct load *l, char text[DOC_BYTES], int64_t i)
{
    const struct mix *m = mix_of(i);
    bool noop = m == &mixture[0];
    char id[64];
    size_t n = 0;

    snprintf(id, sizeof id, "%c-%" PRId64 "-%" PRId64, noop ? 'n' : 'o', wall_ms(), i);
    for (const char *at = m->format; *at && n + 128 < DOC_BYTES;) {
        if (strncmp(at, "%s", 2) == 0) {
            n += (size_t)snprintf(text + n, DOC_BYTES - n, "%s", id);
            at += 2;
        } else if (strncmp(at, "@hook", 5) == 0) {
            n += (size_t)snprintf(text + n, DOC_BYTES - n, "%s", l->hook_url);
            at += 5;
        } else if (strncmp(at, "@n", 2) == 0) {
            n += (size_t)snprintf(text + n, DOC_BYTES - n, "%" PRId64, i);
            at += 2;
        } else {
            text[n++] = *at++;
        }
    }
    return n;
}

/* ---- in and out ------------------------------------------------------------- */
struct load *load_new(const char *socket, const char *hook_url, int rate)
{
    struct load *l = calloc(1, sizeof *l);

    if (!l)
        abort();
    l->redis = redisConnectUnix(socket);
    if (!l->redis || l->redis->err)
        ck_abort_msg("no connection to %s", socket);
    l->hook_url = hook_url;
    l->rate = rate;
    snprintf(l->last, sizeof l->last, "0-0");
    return l;
}

void load_free(struct load *l)
{
    redisFree(l->redis);
    free(l);
}

static redisReply *reply_of(struct load *l)
{
    void *reply = NULL;

    if (redisGetReply(l->redis, &reply) != REDIS_OK ||
        ((redisReply *)reply)->type == REDIS_REPLY_ERROR)
        ck_abort_msg("the soak's own commands fail: %s",
                     reply ? ((redisReply *)reply)->str : l->redis->errstr);
    return reply;
}

void load_turn(struct load *l, int64_t now_ms)
{
    int64_t due, count;

    if (!l->started_ms)
        l->started_ms = now_ms;
    due = (now_ms - l->started_ms) * l->rate / 1000;
    count = min64(due - l->pushed, BURST_MAX);
    for (int64_t i = 0; i < count; i++) {
        char text[DOC_BYTES];
        size_t n = document(l, text, l->pushed + i);

        redisAppendCommand(l->redis, "LPUSH fl:{0}:intake %b", text, n);
    }
    for (int64_t i = 0; i < count; i++)
        freeReplyObject(reply_of(l));
    l->pushed += max64(count, 0);
    load_read(l);
}

static void note(struct latencies *all, int64_t ms)
{
    all->at[ms < 0 ? 0 : ms < BUCKETS ? ms : BUCKETS - 1]++;
    all->count++;
}

/* An entry's id is "ms-n"; a noop's id "n-ms-n". */
static void note_entry(struct load *l, const redisReply *entry)
{
    const redisReply *fields = entry->element[1];
    const char *id = NULL;

    l->ended++;
    snprintf(l->last, sizeof l->last, "%s", entry->element[0]->str);
    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        if (strcmp(fields->element[i]->str, "id") == 0)
            id = fields->element[i + 1]->str;
    if (id && strncmp(id, "n-", 2) == 0) {
        int64_t ms = strtoll(l->last, NULL, 10) - strtoll(id + 2, NULL, 10);

        note(&l->window, ms);
        note(&l->all, ms);
    }
}

void load_read(struct load *l)
{
    size_t n;

    do {
        redisReply *r;

        redisAppendCommand(l->redis, "XRANGE fl:{0}:results (%s + COUNT %d", l->last, READ_COUNT);
        r = reply_of(l);
        n = r->elements;
        for (size_t i = 0; i < n; i++)
            note_entry(l, r->element[i]);
        freeReplyObject(r);
    } while (n == READ_COUNT);
}

int64_t load_pushed(const struct load *l) { return l->pushed; }
int64_t load_ended(const struct load *l) { return l->ended; }

int64_t load_latency(struct load *l, double share, bool of_all)
{
    const struct latencies *from = of_all ? &l->all : &l->window;
    int64_t left = (int64_t)((double)from->count * share);

    for (int64_t ms = 0; from->count && ms < BUCKETS; ms++)
        if ((left -= from->at[ms]) < 0)
            return ms;
    return from->count ? BUCKETS : -1;
}

void load_restart(struct load *l) { memset(&l->window, 0, sizeof l->window); }
