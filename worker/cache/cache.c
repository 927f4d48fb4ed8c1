/* cache.c - see cache.h.
 *
 *   cache_look ──GET, GET, ...──▶ replies count down ──last, or wait_ms──▶ cb
 *   cache_keep ──SET──▶ ... some times a second ──▶ cached.lua (bytes, ms, key; ...) ──▶ UNLINK
 *
 * A look outlives its callback until Redis has answered everything it was asked.
 */
#include "worker/cache/cache.h"

#include <stdlib.h>
#include <string.h>

#include "common/config/config.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "common/io/loop.h"
#include "common/io/redis.h"
#include "common/queue/keys.h"
#include "common/queue/scripts.h"
#include "worker/batcher.h"
#include "worker/env.h"

enum {
    ROOM_BYTES = 4096,
    KEPT_MS = 100,
    KEPT_ARGS_MAX = 1500,
    AROUND_BYTES = 200 /* memory of an entry in Redis beside its value and its name, twice */
};

static const struct {
    const char *name;
    size_t ttl; /* where in struct config */
} kinds[CACHE_KIND_COUNT] = {
#define X(KIND, name, ttl) [CACHE_##KIND] = {name, offsetof(struct config, ttl)},
#include "worker/cache/kinds.def"
};

struct cache {
    const struct env *env;
    struct redis_args kept; /* for cached.lua: bytes, ms, key; ... */
    struct batcher batcher;
};

struct cache_look {
    struct cache *c;
    struct found *found;
    size_t answered, lost;
    cache_look_cb *cb; /* NULL: it was called, or the look is cancelled */
    void *arg;
    int64_t until_ms;
    struct loop_timer *timer; /* while there is cb */
    struct part {
        struct cache_look *look;
    } parts[]; /* one per key */
};

const char *cache_kind_name(enum cache_kind kind) { return kinds[kind].name; }

int64_t cache_ttl_ms(const struct config *cfg, enum cache_kind kind)
{
    return *(const int64_t *)(const void *)((const char *)cfg + kinds[kind].ttl);
}

/* ---- names ---- */

static bool is_plain(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c && strchr("-_./@", c));
}

static void add_part(struct buf *out, struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (is_plain(s.p[i]))
            buf_putc(out, s.p[i]);
        else
            buf_printf(out, "%%%02X", (unsigned char)s.p[i]);
}

/* "-": without a tenant.  Tenants named "-" or "" are written so that they differ from it. */
static void add_tenant(struct buf *out, struct span tenant)
{
    struct span name = tenant.n >= 2 ? (struct span){tenant.p + 1, tenant.n - 2} : tenant;

    if (!tenant.p || *tenant.p != '"')
        buf_putc(out, '-');
    else if (name.n == 0)
        buf_putc(out, '%');
    else if (name.n == 1 && *name.p == '-')
        buf_puts(out, "%2D");
    else
        add_part(out, name);
}

void cache_key(struct buf *out, const char *root, enum cache_kind kind, struct span tenant,
               struct span model, const char *hash)
{
    buf_printf(out, "%s%s:", root, kinds[kind].name);
    add_tenant(out, tenant);
    buf_putc(out, ':');
    add_part(out, model);
    buf_putc(out, ':');
    buf_puts(out, hash);
}

/* ---- what was found ---- */

struct found *found_new(size_t n)
{
    struct found *f = xcalloc(1, sizeof *f + n * sizeof(struct entry *));

    f->users = 1;
    f->n = n;
    return f;
}

struct found *found_copy(const struct found *f, size_t n)
{
    struct found *copy = found_new(n);

    for (size_t i = 0; f && f->n == n && i < n; i++)
        if (f->each[i]) {
            copy->each[i] = entry_use(f->each[i]);
            copy->known++;
        }
    return copy;
}

size_t found_bytes(const struct found *f)
{
    size_t bytes = 0;

    if (f && f->whole)
        return f->whole->body.n;
    for (size_t i = 0; f && i < f->n; i++)
        bytes += f->each[i] ? f->each[i]->body.n : 0;
    return bytes;
}

size_t found_missing(const struct found *f)
{
    size_t i = 0;

    while (f && i + 1 < f->n && f->each[i])
        i++;
    return i;
}

struct found *found_use(struct found *f)
{
    f->users++;
    return f;
}

void found_drop(struct found **fp)
{
    struct found *f = TAKE(*fp);

    if (!f || --f->users > 0)
        return;
    for (size_t i = 0; i < f->n; i++)
        entry_drop(&f->each[i]);
    entry_drop(&f->whole);
    free(f);
}

/* ---- looking ---- */

static void cache_look_free_if_over(struct cache_look *l)
{
    if (l->cb || l->answered < l->found->n)
        return;
    found_drop(&l->found);
    free(l);
}

/* Calls back.  May free the look. */
static void cache_look_end(struct cache_look *l, bool answered)
{
    cache_look_cb *cb = TAKE(l->cb);
    struct found *found = found_use(l->found);
    void *arg = l->arg;

    loop_cancel(&l->timer);
    cache_look_free_if_over(l);
    cb(arg, found, answered);
    found_drop(&found);
}

/* A Redis that answers is not silent: a list of thousands takes its time. */
static void cache_look_on_limit(void *arg)
{
    struct cache_look *l = arg;
    int64_t left = l->until_ms - clock_mono_ms();

    l->timer = NULL;
    if (left > 0)
        l->timer = loop_after(l->c->env->loop, left, cache_look_on_limit, l);
    else
        cache_look_end(l, false);
}

static void cache_look_on_reply(void *arg, const struct reply *reply, const struct err *err)
{
    struct part *part = arg;
    struct cache_look *l = part->look;
    struct span stored = reply_span(reply);

    (void)err;
    l->answered++;
    if (!reply)
        l->lost++;
    else
        l->until_ms = clock_mono_ms() + l->c->env->cfg->cache_wait_ms;
    if (l->cb && stored.p && (l->found->each[part - l->parts] = entry_read(stored)))
        l->found->known++;
    else if (l->cb && stored.p)
        log_event(LOG_WARN, "cache.damaged", "bytes=%zu", stored.n);
    if (l->cb && l->answered == l->found->n)
        cache_look_end(l, l->lost == 0);
    else
        cache_look_free_if_over(l);
}

struct cache_look *cache_look(struct cache *c, const char *const *keys, size_t n, cache_look_cb *cb,
                              void *arg)
{
    struct cache_look *l = xcalloc(1, sizeof *l + n * sizeof *l->parts);
    int64_t wait = c->env->cfg->cache_wait_ms;

    *l = (struct cache_look){.c = c,
                             .found = found_new(n),
                             .cb = cb,
                             .arg = arg,
                             .until_ms = clock_mono_ms() + wait,
                             .timer = loop_after(c->env->loop, wait + 1, cache_look_on_limit, l)};
    for (size_t i = 0; i < n; i++) {
        l->parts[i].look = l;
        redis_sendv(c->env->redis, cache_look_on_reply, &l->parts[i], "GET", keys[i], NULL);
    }
    return l;
}

void cache_look_cancel(struct cache_look **lp)
{
    struct cache_look *l = TAKE(*lp);

    if (!l)
        return;
    l->cb = NULL; /* freed with the last reply */
    loop_cancel(&l->timer);
}

/* ---- keeping ---- */

/* The reply lists the keys that make room. */
static void cache_on_room(void *arg, const struct reply *reply, const struct err *err)
{
    struct cache *c = arg;

    if (err)
        log_event(LOG_DEBUG, "cache.bound", "msg=%s", log_quote(err->msg));
    for (size_t i = 0; i < reply_count(reply); i++) {
        struct span key = reply_span(reply_at(reply, i));
        struct redis_args a;

        redis_args_make(&a, "UNLINK", key);
        redis_send(c->env->redis, &a, NULL, NULL);
    }
}

/* The sum may be late, so many entries share a call. */
static void cache_report_kept(void *arg)
{
    struct cache *c = arg;
    struct redis_args a;

    if (c->kept.count == 0)
        return;
    redis_args_make(&a, key(&c->env->keys, KEY_CACHED), key(&c->env->keys, KEY_CACHED_BYTES),
                    c->env->cfg->cache_max_bytes);
    redis_args_append(&a, &c->kept);
    redis_script(c->env->redis, script(SCRIPT_CACHED), 2, &a, cache_on_room, c);
    redis_args_done(&c->kept);
    redis_args_init(&c->kept);
}

static void cache_note_kept(struct cache *c, const char *name, size_t bytes, int64_t ttl)
{
    redis_args_add(&c->kept, (int64_t)(bytes + 2 * strlen(name) + AROUND_BYTES), ttl, name);
    if (c->kept.count >= KEPT_ARGS_MAX)
        batcher_flush(&c->batcher);
    else
        batcher_soon(&c->batcher);
}

void cache_flush(struct cache *c) { batcher_flush(&c->batcher); }

bool cache_keep(struct cache *c, enum cache_kind kind, const char *name, const struct entry *e)
{
    const struct config *cfg = c->env->cfg;
    size_t max = (size_t)cfg->cache_max_entry_bytes;
    int64_t ttl = cache_ttl_ms(cfg, kind);
    struct buf b = BUF(e->body.n + e->model.n * 6 + ROOM_BYTES);
    struct redis_args a;
    bool fits;

    entry_write(e, (size_t)cfg->cache_compress_bytes, &b);
    fits = !buf_failed(&b) && b.n <= max;
    if (fits) {
        redis_args_make(&a, "SET", name, buf_span(&b), "PX", ttl);
        redis_send(c->env->redis, &a, NULL, NULL);
        cache_note_kept(c, name, b.n, ttl);
    }
    buf_done(&b);
    return fits;
}

/* ---- life ---- */

struct cache *cache_new(const struct env *env)
{
    struct cache *c = xcalloc(1, sizeof *c);

    c->env = env;
    redis_args_init(&c->kept);
    c->batcher = (struct batcher){
        .loop = env->loop, .every_ms = KEPT_MS, .flush = cache_report_kept, .arg = c};
    return c;
}

void cache_free(struct cache *c)
{
    if (!c)
        return;
    batcher_cancel(&c->batcher);
    redis_args_done(&c->kept);
    free(c);
}
