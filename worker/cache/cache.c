/* cache.c - see cache.h.
 *
 *   cache_look ──GET, GET, ...──▶ replies count down ──last, or wait_ms──▶ cb
 *   cache_keep ──SET──▶ ... end of turn ──▶ cached.lua (bytes, ms, key; ...) ──▶ UNLINK what it
 * says
 *
 * A look outlives its callback until Redis has answered everything it was
 * asked: replies come in order, so there is nothing to look up for them.  All
 * looks wait equally long, each since it was last answered, so one timer serves
 * the list of them.
 */
#include "worker/cache/cache.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/config/config.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "common/io/loop.h"
#include "common/io/redis.h"
#include "common/queue/keys.h"
#include "common/queue/scripts.h"
#include "worker/env.h"

enum {
    ROOM_BYTES = 4096,
    HOLD_MS = 100,
    KEPT_ARGS_MAX = 1500,
    AROUND_BYTES = 200 /* what Redis needs for an entry, beside its name, twice, and its value */
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
    struct cache_look *looks; /* not told yet, the oldest first */
    struct loop_timer *limit;
    struct redis_args kept; /* not told cached.lua yet: bytes, ms, key; ... */
    struct loop_timer *hold;
};

struct cache_look {
    struct cache *c;
    struct found *found;
    size_t asked, answered, lost;
    cache_look_cb *cb; /* NULL: told, or nobody wants to know */
    void *arg;
    int64_t until_ms;
    struct cache_look *prev, *next;
};

/* One reply of a look. */
struct part {
    struct cache_look *look;
    size_t at;
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

/* Nobody's answers are under "-"; a tenant of that name, or of none, under another one. */
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

static void free_look(struct cache_look *l)
{
    found_drop(&l->found);
    free(l);
}

static void leave_list(struct cache_look *l)
{
    DL_DELETE(l->c->looks, l);
    if (!l->c->looks)
        loop_cancel(&l->c->limit);
}

/* The answer is known, or not waited for.  May free the look. */
static void tell(struct cache_look *l, bool answered)
{
    cache_look_cb *cb = TAKE(l->cb);
    struct found *found = found_use(l->found);
    void *arg = l->arg;

    leave_list(l);
    if (l->answered == l->asked)
        free_look(l);
    cb(arg, found, answered);
    found_drop(&found);
}

static void watch_limit(struct cache *c);

static void on_limit(void *arg)
{
    struct cache *c = arg;
    int64_t now = clock_mono_ms();

    c->limit = NULL;
    while (c->looks && c->looks->until_ms <= now)
        tell(c->looks, false);
    watch_limit(c);
}

static void watch_limit(struct cache *c)
{
    if (c->looks && !c->limit)
        c->limit = loop_after(c->env->loop, c->looks->until_ms - clock_mono_ms() + 1, on_limit, c);
}

/* It answers, and has not been silent: a list of thousands takes its time. */
static void wait_on(struct cache_look *l)
{
    struct cache *c = l->c;

    l->until_ms = clock_mono_ms() + c->env->cfg->cache_wait_ms;
    DL_DELETE(c->looks, l);
    DL_APPEND(c->looks, l); /* they stay in order */
}

static void on_got(void *arg, const struct reply *reply, const struct err *err)
{
    struct part *part = arg;
    struct cache_look *l = part->look;
    struct span stored = reply_span(reply);
    size_t at = part->at;

    (void)err;
    free(part);
    l->answered++;
    if (!reply)
        l->lost++;
    if (l->cb && stored.p && (l->found->each[at] = entry_read(stored)))
        l->found->known++;
    else if (l->cb && stored.p)
        log_event(LOG_WARN, "cache.damaged", "bytes=%zu", stored.n);
    if (l->answered < l->asked) {
        if (l->cb && reply)
            wait_on(l);
        return;
    }
    if (l->cb)
        tell(l, l->lost == 0);
    else
        free_look(l);
}

struct cache_look *cache_look(struct cache *c, const char *const *keys, size_t n, cache_look_cb *cb,
                              void *arg)
{
    struct cache_look *l = xcalloc(1, sizeof *l);

    *l = (struct cache_look){.c = c,
                             .found = found_new(n),
                             .asked = n,
                             .cb = cb,
                             .arg = arg,
                             .until_ms = clock_mono_ms() + c->env->cfg->cache_wait_ms};
    DL_APPEND(c->looks, l);
    watch_limit(c);
    for (size_t i = 0; i < n; i++) {
        struct part *part = xmalloc(sizeof *part);

        *part = (struct part){l, i};
        redis_sendv(c->env->redis, on_got, part, "GET", keys[i], NULL);
    }
    return l;
}

void cache_look_cancel(struct cache_look **lp)
{
    struct cache_look *l = TAKE(*lp);

    if (!l)
        return;
    l->cb = NULL; /* freed with the last reply */
    leave_list(l);
}

/* ---- keeping ---- */

/* The keys that make room. */
static void on_room(void *arg, const struct reply *reply, const struct err *err)
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

static void tell_kept(struct cache *c)
{
    struct redis_args a;

    loop_cancel(&c->hold);
    redis_args_make(&a, key(&c->env->keys, KEY_CACHED), key(&c->env->keys, KEY_CACHED_BYTES),
                    c->env->cfg->cache_max_bytes);
    redis_args_append(&a, &c->kept);
    redis_script(c->env->redis, script(SCRIPT_CACHED), 2, &a, on_room, c);
    redis_args_done(&c->kept);
    redis_args_init(&c->kept);
}

static void on_hold_over(void *arg)
{
    struct cache *c = arg;

    c->hold = NULL;
    tell_kept(c);
}

/* Nobody waits for the sum, so that many entries share a call. */
static void note_kept(struct cache *c, const char *name, size_t bytes, int64_t ttl)
{
    redis_args_add(&c->kept, (int64_t)(bytes + 2 * strlen(name) + AROUND_BYTES), ttl, name);
    if (c->kept.count >= KEPT_ARGS_MAX)
        tell_kept(c);
    else if (!c->hold)
        c->hold = loop_after(c->env->loop, HOLD_MS, on_hold_over, c);
}

void cache_flush(struct cache *c)
{
    if (c->kept.count > 0)
        tell_kept(c);
}

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
        note_kept(c, name, b.n, ttl);
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
    return c;
}

void cache_free(struct cache *c)
{
    if (!c)
        return;
    loop_cancel(&c->limit);
    loop_cancel(&c->hold);
    redis_args_done(&c->kept);
    free(c);
}
