/* names.c - see names.h.
 *
 *   TIME -> delayed -> ready 1..8 -> registered workers -> their active sets -> done
 *
 * A job that moves during the walk goes from left to right: promoted, claimed.  It is then read in
 * one place or both.  Lists are read from the left: new ids push the others to higher indexes, and
 * claims shorten the other end, so that none is skipped.  Whoever moves from right to left (a
 * retry) may be missed: a caller that finds one unnamed looks again later. */
#include "scheduler/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/hash.h"
#include "common/core/random.h"
#include "common/core/xalloc.h"
#include "common/queue/work.h"

enum { PORTION = 500, PAUSE_MS = 1 };
enum { BITS_PER_KEY = 16, BITS_MIN = 1 << 16, BITS_MAX = 1 << 26, PROBES = 4 };

struct names {
    uint64_t *words;
    uint64_t mask, seed; /* mask: of a bit's number */
    int64_t since_ms;
    char **workers;
    size_t worker_count;
};

/* ---- the filter ---- */

struct names *names_new(int64_t keys, uint64_t seed)
{
    struct names *n = xcalloc(1, sizeof *n);
    uint64_t bits = BITS_MIN;

    while (bits < BITS_MAX && (int64_t)(bits / BITS_PER_KEY) < keys)
        bits *= 2;
    n->words = xcalloc(bits / 64, sizeof *n->words);
    n->mask = bits - 1;
    n->seed = seed;
    return n;
}

void names_free(struct names *n)
{
    if (!n)
        return;
    for (size_t i = 0; i < n->worker_count; i++)
        free(n->workers[i]);
    free(n->workers);
    free(n->words);
    free(n);
}

/* FNV-1a, with the end of splitmix64, so that all of its bits depend on all of the id. */
static uint64_t hash_of(uint64_t seed, struct span id)
{
    uint64_t h = hash_fnv(seed ^ HASH_BASIS, id.p, id.n);

    h = (h ^ (h >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ (h >> 27)) * UINT64_C(0x94d049bb133111eb);
    return h ^ (h >> 31);
}

void names_add(struct names *n, struct span id)
{
    uint64_t h = hash_of(n->seed, id), step = (h >> 32) | 1;

    for (int i = 0; i < PROBES; i++, h += step)
        n->words[(h & n->mask) / 64] |= UINT64_C(1) << (h % 64);
}

bool names_has(const struct names *n, struct span id)
{
    uint64_t h = hash_of(n->seed, id), step = (h >> 32) | 1;

    for (int i = 0; i < PROBES; i++, h += step)
        if (!(n->words[(h & n->mask) / 64] & UINT64_C(1) << (h % 64)))
            return false;
    return true;
}

int64_t names_since_ms(const struct names *n) { return n->since_ms; }

const char *names_worker(const struct names *n, const char *tag)
{
    for (size_t i = 0; i < n->worker_count; i++)
        if (!strncmp(work_tag(n->workers[i]), tag, WORKER_TAG))
            return n->workers[i];
    return NULL;
}

/* ---- the walk ---- */

struct names_walk {
    struct scheduler *s;
    struct names *names;
    names_cb *cb;
    void *arg;
    struct loop_timer *timer;
    bool asking;
    int queue;       /* of the ready list that is read */
    size_t worker;   /* whose active set is read */
    int64_t index;   /* in the list */
    char cursor[24]; /* in delayed or the active set */
};

static void walk_free(struct names_walk *w)
{
    loop_cancel(&w->timer);
    names_free(w->names);
    free(w);
}

static void names_finish(struct names_walk *w, bool ok)
{
    struct names *n = ok ? w->names : NULL;

    if (ok)
        w->names = NULL;
    w->cb(w->arg, n);
    walk_free(w);
}

static void names_ask(struct names_walk *w, struct redis_args *a, redis_cb *cb)
{
    w->asking = true;
    redis_send(w->s->redis, a, cb, w);
}

/* A key of another type names nothing; it has an alert of its own. */
static bool is_answered(struct names_walk *w, const struct reply *reply, const struct err *err)
{
    w->asking = false;
    if (reply || reply_error(err, "WRONGTYPE"))
        return true;
    names_finish(w, false);
    return false;
}

/* Remember where a ZSCAN or SSCAN continues; false: it is through. */
static bool keep_cursor(struct names_walk *w, const struct reply *reply)
{
    struct span next = reply_span(reply_at(reply, 0));

    snprintf(w->cursor, sizeof w->cursor, "%.*s", (int)next.n, next.p ? next.p : "");
    if (next.n && strcmp(w->cursor, "0") != 0)
        return true;
    snprintf(w->cursor, sizeof w->cursor, "0");
    return false;
}

static void pause_then(struct names_walk *w, loop_cb *step)
{
    w->timer = loop_after(w->s->loop, PAUSE_MS, step, w);
}

static void scan_args(struct names_walk *w, struct redis_args *a, const char *command,
                      const char *prefix, const char *id)
{
    redis_args_init(a);
    redis_args_add(a, command, key_word(prefix, id), w->cursor, "COUNT", PORTION);
}

/* ---- active sets ---- */

static void read_active(void *arg);

static void on_active(void *arg, const struct reply *reply, const struct err *err)
{
    struct names_walk *w = arg;
    const struct reply *ids = reply_at(reply, 1);

    if (!is_answered(w, reply, err))
        return;
    for (size_t i = 0; i < reply_count(ids); i++)
        names_add(w->names, reply_span(reply_at(ids, i)));
    if (!keep_cursor(w, reply))
        w->worker++;
    pause_then(w, read_active);
}

static void read_active(void *arg)
{
    struct names_walk *w = arg;
    struct redis_args a;

    w->timer = NULL;
    if (w->worker == w->names->worker_count) {
        names_finish(w, true);
        return;
    }
    scan_args(w, &a, "SSCAN", w->s->keys.active, w->names->workers[w->worker]);
    names_ask(w, &a, on_active);
}

static void on_workers(void *arg, const struct reply *reply, const struct err *err)
{
    struct names_walk *w = arg;
    struct names *n = w->names;

    if (!is_answered(w, reply, err))
        return;
    n->worker_count = reply_count(reply);
    n->workers = xcalloc(n->worker_count + 1, sizeof *n->workers);
    for (size_t i = 0; i < n->worker_count; i++) {
        struct span id = reply_span(reply_at(reply, i));

        n->workers[i] = xstrndup(id.p, id.n);
    }
    read_active(w);
}

/* ---- ready lists ---- */

static void read_ready(void *arg);

static void on_ready_ids(void *arg, const struct reply *reply, const struct err *err)
{
    struct names_walk *w = arg;

    if (!is_answered(w, reply, err))
        return;
    for (size_t i = 0; i < reply_count(reply); i++)
        names_add(w->names, reply_span(reply_at(reply, i)));
    w->index += PORTION;
    if (reply_count(reply) < PORTION) {
        w->queue++;
        w->index = 0;
    }
    pause_then(w, read_ready);
}

static void read_ready(void *arg)
{
    struct names_walk *w = arg;
    struct redis_args a;

    w->timer = NULL;
    redis_args_init(&a);
    if (w->queue > QUEUE_COUNT) {
        redis_args_add(&a, "HKEYS", key(&w->s->keys, KEY_WORKERS));
        names_ask(w, &a, on_workers);
        return;
    }
    redis_args_add(&a, "LRANGE", w->s->keys.ready[w->queue], w->index, w->index + PORTION - 1);
    names_ask(w, &a, on_ready_ids);
}

/* ---- delayed ---- */

static void read_delayed(void *arg);

static void on_delayed(void *arg, const struct reply *reply, const struct err *err)
{
    struct names_walk *w = arg;
    const struct reply *pairs = reply_at(reply, 1);

    if (!is_answered(w, reply, err))
        return;
    for (size_t i = 0; i < reply_count(pairs); i += 2) { /* "<queue>/<id>", due */
        struct span name = reply_span(reply_at(pairs, i));
        const char *slash = name.p ? memchr(name.p, '/', name.n) : NULL;

        if (slash)
            names_add(w->names, (struct span){slash + 1, name.n - (size_t)(slash + 1 - name.p)});
    }
    pause_then(w, keep_cursor(w, reply) ? read_delayed : read_ready);
}

static void read_delayed(void *arg)
{
    struct names_walk *w = arg;
    struct redis_args a;

    w->timer = NULL;
    scan_args(w, &a, "ZSCAN", key(&w->s->keys, KEY_DELAYED), "");
    names_ask(w, &a, on_delayed);
}

static void on_time(void *arg, const struct reply *reply, const struct err *err)
{
    struct names_walk *w = arg;

    if (!is_answered(w, reply, err))
        return;
    w->names->since_ms =
        reply_int(reply_at(reply, 0)) * 1000 + reply_int(reply_at(reply, 1)) / 1000;
    read_delayed(w);
}

struct names_walk *names_read(struct scheduler *s, int64_t keys, names_cb *cb, void *arg)
{
    struct names_walk *w = xcalloc(1, sizeof *w);
    struct redis_args a;

    *w = (struct names_walk){.s = s,
                             .names = names_new(keys, random_u64()),
                             .cb = cb,
                             .arg = arg,
                             .queue = 1,
                             .cursor = "0"};
    redis_args_init(&a);
    redis_arg_str(&a, "TIME");
    names_ask(w, &a, on_time);
    return w;
}

void names_cancel(struct names_walk **w)
{
    if (!*w)
        return;
    if ((*w)->asking)
        redis_forget((*w)->s->redis, *w);
    walk_free(*w);
    *w = NULL;
}
