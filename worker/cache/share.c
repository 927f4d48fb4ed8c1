/* share.c - see share.h; what is said to Redis about leases is in share_lease.c, what leaders say
 * in share_leader.c.
 *
 * A share lives while somebody is in it.  It leaves the table when its outcome
 * is known (ENDING), so that who comes then looks for himself, and tells its
 * waiters some at a time: each of them writes a result of perhaps a megabyte.
 */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/config/config.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/random.h"
#include "common/core/xalloc.h"
#include "worker/cache/share_private.h"

enum {
    PAUSE_MIN_MS = 50,
    PAUSE_MAX_MS = 1000,
    FULL_MIN_MS = 1000,
    FULL_MAX_MS = 30000,
    TOLD_AT_ONCE = 64,
    TOLD_BYTES = 4 << 20,
    TOLD_PAUSE_MS = 60 /* that much is on its way to Redis by then, and more would not fit */
};

static void ask(struct share *s);
static void look(struct share *s, cache_look_cb *cb);

/* ---- one share ---- */

static void stop_waiting(struct share *s)
{
    cache_look_cancel(&s->look);
    lease_forget(s);
    loop_cancel(&s->timer);
}

static void promote(void *arg);
static void deliver(void *arg);

static void free_share(struct share *s)
{
    struct loop *loop = s->in->env->loop;

    stop_waiting(s);
    table_leave(s);
    loop_undefer(loop, promote, s);
    loop_undefer(loop, deliver, s);
    DL_DELETE(s->in->all, s);
    found_drop(&s->found);
    for (size_t i = 0; i < s->n; i++)
        free(s->keys[i]);
    free(s->keys);
    free(s->mark);
    free(s->model);
    free(s->name);
    free(s);
}

static void link_waiter(struct share *s, struct sharer *w)
{
    w->share = s;
    DL_APPEND(s->waiters, w);
}

static void unlink_waiter(struct share *s, struct sharer *w)
{
    DL_DELETE(s->waiters, w);
    w->share = NULL;
}

static void say(struct share *s, struct sharer *w, enum share_word word)
{
    const struct share_news news = {.found = s->found, .model = s->model, .in_ms = s->in_ms};

    s->in->ops->word(w, word, &news);
}

void share_set_found(struct share *s, struct found *found)
{
    found_use(found);
    found_drop(&s->found);
    s->found = found;
}

/* Longer, the longer it goes on already. */
static int64_t full_ms(const struct share *s)
{
    int64_t ms = clock_mono_ms() - s->since_ms;

    ms = clamp64(ms, FULL_MIN_MS, FULL_MAX_MS);
    return ms + random_below(ms / 4);
}

/* It is going to take long: who waits leaves his slot, or comes back another time. */
static void let_wait(struct share *s)
{
    struct sharer *w, *tmp;

    DL_FOREACH_SAFE(s->waiters, w, tmp)
    {
        if (s->in->ops->waits(w))
            continue;
        unlink_waiter(s, w);
        s->in_ms = full_ms(s);
        say(s, w, SHARE_FULL);
    }
}

/* ---- the end ---- */

static void deliver_more(void *arg)
{
    struct share *s = arg;

    s->timer = NULL;
    deliver(s);
}

static void deliver(void *arg)
{
    struct share *s = arg;
    size_t bytes = found_bytes(s->found), told = 0;

    while (s->waiters && told < TOLD_AT_ONCE && told * bytes < TOLD_BYTES) {
        struct sharer *w = s->waiters;

        unlink_waiter(s, w);
        say(s, w, s->word);
        told++;
    }
    if (s->waiters)
        s->timer = loop_after(s->in->env->loop, told * bytes < TOLD_BYTES ? 0 : TOLD_PAUSE_MS,
                              deliver_more, s);
    else
        free_share(s);
}

void share_end(struct share *s, enum share_word word)
{
    stop_waiting(s);
    table_leave(s);
    s->state = ENDING;
    s->word = word;
    loop_defer(s->in->env->loop, deliver, s);
}

/* ---- leading ---- */

/* A lease that is asked for and comes yet is kept. */
static void lead(struct share *s)
{
    struct sharer *head = s->waiters;

    cache_look_cancel(&s->look);
    loop_cancel(&s->timer);
    s->state = LEADING;
    unlink_waiter(s, head);
    head->share = s;
    s->leader = head;
    let_wait(s);
    say(s, head, SHARE_LEAD); /* it may be over when this returns */
}

static void promote(void *arg)
{
    struct share *s = arg;

    if (s->waiters) {
        lead(s);
        return;
    }
    lease_end(s, "", 0);
    free_share(s);
}

void share_promote_later(struct share *s) { loop_defer(s->in->env->loop, promote, s); }

void share_leave(struct sharer *w)
{
    struct share *s = w->share;

    if (!s)
        return;
    if (leader_out(w)) {
        share_promote_later(s); /* not now: all may be on their way out */
        return;
    }
    unlink_waiter(s, w);
    if (!s->waiters && !s->leader && s->state != ENDING && s->state != LEADING)
        free_share(s);
}

/* ---- watching ---- */

static void on_peeped(void *arg, struct found *found, bool answered);

/* One key that is missing stands for all: an answer comes at once. */
static void on_pause(void *arg)
{
    struct share *s = arg;
    const char *const *keys = (const char *const *)s->keys;

    s->timer = NULL;
    lease_look(s);
    s->look = cache_look(s->in->cache, keys + found_missing(s->found), 1, on_peeped, s);
}

static void pause_then_poll(struct share *s)
{
    int64_t ms = s->pause_ms / 2 + random_below(s->pause_ms / 2);

    s->pause_ms = s->pause_ms * 2 < PAUSE_MAX_MS ? s->pause_ms * 2 : PAUSE_MAX_MS;
    s->timer = loop_after(s->in->env->loop, ms, on_pause, s);
}

static void watch(struct share *s)
{
    if (s->state != WATCHING) {
        s->state = WATCHING;
        s->heard_ms = clock_mono_ms();
        s->pause_ms = PAUSE_MIN_MS;
        let_wait(s);
    }
    if (s->waiters)
        pause_then_poll(s);
    else
        free_share(s);
}

/* later:<wall ms>:<reason> */
static void heed_later(struct share *s)
{
    const char *reason = strchr(s->mark + 6, ':');

    s->in_ms = lease_later_ms(s->mark + 6);
    if (leader_prefer_other(s, reason ? reason + 1 : ""))
        lead(s); /* without a lease: the mark stands where it would */
    else
        share_end(s, SHARE_LATER);
}

/* What the flight's value says: who leads, or how it ended. */
static void heed_mark(struct share *s)
{
    if (!s->mark) {
        ask(s);
    } else if (*s->mark == '=') {
        watch(s);
    } else if (!strncmp(s->mark, "at:", 3)) {
        s->model = xstrdup(s->mark + 3);
        share_end(s, SHARE_ELSEWHERE);
    } else if (!strncmp(s->mark, "later:", 6)) {
        heed_later(s);
    } else {
        share_end(s, SHARE_ALONE);
    }
}

static void on_polled(void *arg, struct found *found, bool answered)
{
    struct share *s = arg;

    s->look = NULL;
    share_set_found(s, found);
    if (found->known == found->n) {
        share_end(s, SHARE_HIT);
    } else if (answered && !s->asking) {
        s->heard_ms = clock_mono_ms();
        heed_mark(s);
    } else if (clock_mono_ms() - s->heard_ms > s->in->env->cfg->cache_lease_ms) {
        lead(s); /* Redis is away for so long that nobody has a lease */
    } else {
        lease_forget(s);
        watch(s);
    }
}

static void on_peeped(void *arg, struct found *found, bool answered)
{
    struct share *s = arg;

    if (s->n > 1 && found->known)
        look(s, on_polled);
    else
        on_polled(s, s->n > 1 ? s->found : found, answered);
}

/* ---- asking ---- */

static void look(struct share *s, cache_look_cb *cb)
{
    s->look = cache_look(s->in->cache, (const char *const *)s->keys, s->n, cb, s);
}

static void on_asked(void *arg, struct found *found, bool answered)
{
    struct share *s = arg;

    s->look = NULL;
    share_set_found(s, found);
    if (found->known == found->n) {
        lease_end(s, "", 0);
        share_end(s, SHARE_HIT);
    } else if (s->leased || s->refused || s->asking || !answered) {
        lead(s);
    } else {
        watch(s);
    }
}

/* The lease first, and then the look: so no answer can come in between. */
static void ask(struct share *s)
{
    s->state = ASKING;
    lease_take(s);
    look(s, on_asked);
}

static struct share *share_new(struct shares *in, const char *name, const char *const *keys,
                               size_t n)
{
    struct share *s = xcalloc(1, sizeof *s);

    s->in = in;
    s->name = xstrdup(name);
    s->keys = xcalloc(n, sizeof *s->keys);
    s->n = n;
    for (size_t i = 0; i < n; i++)
        s->keys[i] = xstrdup(keys[i]);
    s->since_ms = clock_mono_ms();
    DL_APPEND(in->all, s);
    table_enter(s);
    return s;
}

int64_t share_join(struct shares *in, struct sharer *w, const char *name, const char *const *keys,
                   size_t n, int64_t wait_ms)
{
    struct share *s = table_find(in, name);

    if (s && (s->state == LEADING || s->state == WATCHING) && !in->ops->waits(w))
        return full_ms(s);
    w->until_ms = clock_mono_ms() + wait_ms;
    if (s) {
        link_waiter(s, w);
        return 0;
    }
    s = share_new(in, name, keys, n);
    link_waiter(s, w);
    ask(s);
    return 0;
}

/* Who waited for so long as he would for a call of his own makes one. */
void share_check_waiters(struct share *s, int64_t now_ms)
{
    struct sharer *w, *tmp;

    DL_FOREACH_SAFE(s->waiters, w, tmp)
    {
        if (w->until_ms > now_ms)
            continue;
        unlink_waiter(s, w);
        say(s, w, SHARE_ALONE);
    }
    if (!s->waiters && !s->leader && s->state != ENDING && s->state != LEADING)
        free_share(s);
}

/* ---- all of them ---- */

struct shares *shares_new(const struct env *env, struct cache *cache, const struct share_ops *ops)
{
    struct shares *in = xcalloc(1, sizeof *in);

    in->env = env;
    in->cache = cache;
    in->ops = ops;
    lease_init(in);
    return in;
}

void shares_flush(struct shares *in) { lease_flush(in); }

void shares_free(struct shares *in)
{
    struct share *s, *tmp;

    if (!in)
        return;
    DL_FOREACH_SAFE(in->all, s, tmp) { free_share(s); }
    lease_done(in);
    free(in);
}
