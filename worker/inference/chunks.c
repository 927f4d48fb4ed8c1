/* chunks.c - see chunks.h.
 *
 *   chunks_add ──▶ stream.text ──────flush, every 20 ms─────▶ chunks.lua ──answer──▶ gone
 *                     │ full: at once, if so many bytes    │ error
 *                     │       may be on their way          │
 *                     └ else dropped: stream.lost ◀────────┘
 *
 * Streams with something to write are in one list.  A flush writes all of them in one script call,
 * which also sets their expiry: no stream stays in Redis when a process dies.
 *
 * A closed stream is freed when it is written and no answer about it is outstanding.
 */
#include "worker/inference/chunks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/core/buf.h"
#include "common/core/xalloc.h"
#include "common/queue/scripts.h"
#include "worker/batcher.h"
#include "worker/env.h"

enum {
    FLUSH_MS = 20,
    STREAM_BYTES = 16 * 1024,
    EVENT_BYTES = 1024 * 1024, /* one chunk may be so large when nothing waits */
    FLYING_BYTES = 2 * 1024 * 1024,
    WAITING_BYTES = 8 * 1024 * 1024
};

struct chunk_stream {
    struct chunks *all;
    TAILQ_ENTRY(chunk_stream) link; /* in all->dirty, when dirty */
    TAILQ_ENTRY(chunk_stream) each; /* in all->streams */
    char id[96], call[64], end[16];
    int run, attempt;
    struct buf text;          /* chunks that wait, a line each */
    int64_t count;            /* of them */
    int64_t seq;              /* number of the next chunk to come */
    int64_t lost, gap;        /* dropped before and behind text */
    int flying;               /* writes without an answer */
    bool dirty, closed, ends; /* ends: the end is still to be written */
};
TAILQ_HEAD(chunk_list, chunk_stream);

struct chunks {
    const struct env *env;
    void (*on_idle)(void *arg);
    void *arg;
    struct chunk_list dirty, streams;
    size_t waiting, flying; /* bytes */
    size_t calls;           /* without an answer */
    struct batcher batcher;
};

/* One script call on its way, and what it holds of each stream. */
struct part {
    struct chunk_stream *stream;
    int64_t count;
    bool ends;
};
struct sent {
    struct chunks *all;
    size_t bytes, parts_n;
    struct part parts[];
};

static void chunks_schedule(struct chunks *c);
static void chunks_write(void *arg);

/* ---- life ---- */

struct chunks *chunks_new(const struct env *env, void (*on_idle)(void *arg), void *arg)
{
    struct chunks *c = xcalloc(1, sizeof *c);

    c->env = env;
    c->on_idle = on_idle;
    c->arg = arg;
    c->batcher =
        (struct batcher){.loop = env->loop, .every_ms = FLUSH_MS, .flush = chunks_write, .arg = c};
    TAILQ_INIT(&c->dirty);
    TAILQ_INIT(&c->streams);
    return c;
}

static void set_dirty(struct chunk_stream *s, bool dirty)
{
    if (dirty && !s->dirty)
        TAILQ_INSERT_TAIL(&s->all->dirty, s, link);
    if (!dirty && s->dirty)
        TAILQ_REMOVE(&s->all->dirty, s, link);
    s->dirty = dirty;
}

static void stream_forget(struct chunk_stream *s)
{
    set_dirty(s, false);
    TAILQ_REMOVE(&s->all->streams, s, each);
    s->all->waiting -= s->text.n;
    buf_done(&s->text);
    free(s);
}

static void forget_if_over(struct chunk_stream *s)
{
    if (s->closed && !s->dirty && !s->flying)
        stream_forget(s);
}

struct chunk_stream *chunks_open(struct chunks *c, const char *job_id, int run)
{
    struct chunk_stream *s = xcalloc(1, sizeof *s);

    s->all = c;
    s->run = run;
    snprintf(s->id, sizeof s->id, "%s", job_id);
    buf_init(&s->text, EVENT_BYTES + 1);
    TAILQ_INSERT_TAIL(&c->streams, s, each);
    return s;
}

/* ---- writing ---- */

/* An end that may not have arrived is sent again.  Chunks are not: readers might get them twice. */
static void chunks_on_lost(const struct part *part, const struct err *err)
{
    struct chunk_stream *s = part->stream;

    s->lost += part->count;
    if (!part->ends || !err || err->kind != ERR_REDIS_LOST)
        return;
    s->ends = true;
    set_dirty(s, true);
}

static void chunks_on_written(void *arg, const struct reply *reply, const struct err *err)
{
    struct sent *sent = arg;
    struct chunks *c = sent->all;
    struct span letters = err ? (struct span){NULL, 0} : reply_span(reply);

    c->flying -= sent->bytes;
    c->calls--;
    for (size_t i = 0; i < sent->parts_n; i++) {
        struct chunk_stream *s = sent->parts[i].stream;

        s->flying--;
        if (i >= letters.n || letters.p[i] != 'k')
            chunks_on_lost(&sent->parts[i], err);
        forget_if_over(s);
    }
    free(sent);
    if (!TAILQ_EMPTY(&c->dirty))
        chunks_schedule(c);
    else
        c->on_idle(c->arg);
}

static int add_int(struct redis_args *a, const char *name, int64_t v)
{
    redis_args_add(a, name, v);
    return 2;
}

static int add_text(struct redis_args *a, const char *name, const char *text, size_t n)
{
    redis_arg_str(a, name);
    redis_arg(a, text, n);
    return 2;
}

/* The entry's words behind their number. */
static void add_entry(struct redis_args *a, const struct chunk_stream *s, bool ends)
{
    struct redis_args words;
    int n;

    redis_args_init(&words);
    n = add_int(&words, "run", s->run);
    if (s->count) {
        n += add_int(&words, "attempt", s->attempt);
        n += add_text(&words, "call", s->call, strlen(s->call));
        n += add_int(&words, "seq", s->seq - s->count - s->gap);
    }
    if (s->lost)
        n += add_int(&words, "lost", s->lost);
    if (s->count) /* without the end of the last line */
        n += add_text(&words, "data", s->text.p, s->text.n - 1);
    if (ends)
        n += add_text(&words, "end", s->end, strlen(s->end));
    redis_arg_int(a, n);
    redis_args_append(a, &words);
    redis_args_done(&words);
}

/* The waiting chunks of a stream become arguments of the script.  An end behind dropped chunks gets
 * an entry of its own. */
static struct part stream_take(struct chunk_stream *s, struct redis_args *keys,
                               struct redis_args *args)
{
    struct chunks *c = s->all;
    const struct part part = {.stream = s, .count = s->count, .ends = s->ends && !s->gap};

    keys_arg(keys, c->env->keys.chunks, s->id);
    add_entry(args, s, part.ends);
    c->waiting -= s->text.n;
    buf_done(&s->text);
    s->flying++;
    s->count = 0;
    s->lost = s->gap;
    s->gap = 0;
    s->ends = s->ends && !part.ends;
    set_dirty(s, s->ends);
    return part;
}

static bool may_write(const struct chunks *c)
{
    return redis_is_ready(c->env->redis) && c->flying < FLYING_BYTES;
}

static size_t count_dirty(const struct chunks *c)
{
    const struct chunk_stream *s;
    size_t n = 0;

    TAILQ_FOREACH(s, &c->dirty, link)
    n++;
    return n;
}

/* Of what is left, the next answer writes the rest. */
static void chunks_write(void *arg)
{
    struct chunks *c = arg;
    size_t most = count_dirty(c);
    struct redis_args keys, args;
    struct chunk_stream *s;
    struct sent *sent;

    if (!most || !may_write(c))
        return;
    sent = xcalloc(1, sizeof *sent + most * sizeof *sent->parts);
    sent->all = c;
    redis_args_init(&keys);
    redis_args_make(&args, c->env->cfg->limits_chunks_entries, c->env->cfg->limits_chunks_ttl_ms);
    while (sent->parts_n < most && (s = TAILQ_FIRST(&c->dirty)) && may_write(c)) {
        sent->bytes += s->text.n;
        c->flying += s->text.n;
        sent->parts[sent->parts_n++] = stream_take(s, &keys, &args);
    }
    redis_args_append(&keys, &args);
    redis_args_done(&args);
    c->calls++;
    redis_script(c->env->redis, script(SCRIPT_CHUNKS), sent->parts_n, &keys, chunks_on_written,
                 sent);
}

void chunks_flush(struct chunks *c) { batcher_flush(&c->batcher); }

bool chunks_wait(const struct chunks *c) { return !TAILQ_EMPTY(&c->dirty) || c->calls > 0; }

/* While Redis is away, not at all. */
static void chunks_schedule(struct chunks *c)
{
    if (redis_is_ready(c->env->redis))
        batcher_soon(&c->batcher);
}

void chunks_reconnected(struct chunks *c)
{
    if (!TAILQ_EMPTY(&c->dirty))
        chunks_schedule(c);
}

void chunks_free(struct chunks *c)
{
    struct chunk_stream *s;

    if (!c)
        return;
    batcher_cancel(&c->batcher);
    while ((s = TAILQ_FIRST(&c->streams)))
        stream_forget(s);
    free(c);
}

/* ---- streams ---- */

void chunks_call(struct chunk_stream *s, int attempt, const char *call)
{
    if (s->count)
        chunks_flush(s->all);
    s->all->waiting -= s->text.n; /* what is left belongs to a call that is over */
    buf_clear(&s->text);
    set_dirty(s, false);
    s->count = s->seq = s->lost = s->gap = 0;
    s->attempt = attempt;
    snprintf(s->call, sizeof s->call, "%s", call);
}

static bool has_room(struct chunk_stream *s, size_t n)
{
    if (s->text.n && (s->text.n + n > STREAM_BYTES || s->gap))
        chunks_flush(s->all);
    return s->text.n + n <= (s->text.n ? STREAM_BYTES : EVENT_BYTES) && !s->gap &&
           s->all->waiting + n <= WAITING_BYTES;
}

void chunks_add(struct chunk_stream *s, struct span chunk)
{
    size_t n = chunk.n + 1;

    if (!has_room(s, n)) {
        s->seq++;
        if (s->count)
            s->gap++;
        else
            s->lost++;
        return;
    }
    buf_add_span(&s->text, chunk);
    for (char *p = s->text.p + s->text.n - chunk.n; (p = strchr(p, '\n'));)
        *p = ' '; /* white space of the JSON: within strings it is escaped */
    buf_putc(&s->text, '\n');
    s->all->waiting += n;
    s->seq++;
    s->count++;
    set_dirty(s, true);
    chunks_schedule(s->all);
}

void chunks_close(struct chunk_stream **ps, const char *end)
{
    struct chunk_stream *s = *ps;

    *ps = NULL;
    if (!s)
        return;
    s->closed = true;
    if (end) {
        snprintf(s->end, sizeof s->end, "%s", end);
        s->ends = true;
        set_dirty(s, true);
        chunks_schedule(s->all);
    }
    forget_if_over(s);
}
