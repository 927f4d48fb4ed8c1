/* share.c - see share.h; the leases in Redis are in share_lease.c.
 *
 *   ASKING ──▶ LEADING ──▶ ENDING ──▶ freed
 *      └──▶ WATCHING ─┘──────▲
 *
 * A share lives while somebody is in it, or a question about its lease is not answered.  It leaves
 * the table when its outcome is known (ENDING), so that a new sharer asks again.  Its waiters then
 * get their word some at a time: each of them writes a result of perhaps a megabyte.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/config/config.h"
#include "common/core/clock.h"
#include "common/core/random.h"
#include "common/core/xalloc.h"
#include "worker/cache/share_private.h"

enum {
    PAUSE_MIN_MS = 50,
    PAUSE_MAX_MS = 1000,
    FULL_MIN_MS = 1000,
    FULL_MAX_MS = 30000,
    FAILED_MS = 3000, /* a mark stays so long */
    LATER_MS =
        10000, /* and this one: then somebody tries again, however long the first one waits */
    LATER_MIN_MS = 100,
    LATER_MAX_MS = 60000,
    LATER_SPREAD_MS = 400,
    WORDS_AT_ONCE = 64,
    WORDS_MS = 10, /* of one turn: who gets an answer may have to check it */
    WORDS_BYTES = 4 << 20,
    WORDS_PAUSE_MS =
        60, /* after so many: that much is on its way to Redis by then, and more would not fit */
    MARK_BYTES = 1024
};

/* ---- one share ---- */

static void share_promote(void *arg);
static void share_deliver(void *arg);

/* Out of the table: its outcome is known. */
static void share_close(struct share *s)
{
    cache_look_cancel(&s->look);
    loop_cancel(&s->timer);
    HASH_DEL(s->in->by_name, s);
    s->state = ENDING;
}

void share_free(struct share *s)
{
    if (s->state != ENDING)
        share_close(s);
    loop_cancel(&s->timer);
    loop_undefer(s->in->env->loop, share_promote, s);
    loop_undefer(s->in->env->loop, share_deliver, s);
    DL_DELETE(s->in->all, s);
    found_drop(&s->found);
    for (size_t i = 0; i < s->n; i++)
        free(s->keys[i]);
    free(s->keys);
    free(s->mark);
    free(s->name);
    free(s);
}

static void share_unlink(struct share *s, struct sharer *w)
{
    DL_DELETE(s->waiters, w);
    w->share = NULL;
}

static void share_say(struct share *s, struct sharer *w, enum share_word word)
{
    const struct share_news news = {.found = s->found, .model = s->model, .in_ms = s->in_ms};

    s->in->ops->word(w, word, &news);
}

/* It is out of the share with this word. */
static void share_tell(struct share *s, struct sharer *w, enum share_word word)
{
    share_unlink(s, w);
    share_say(s, w, word);
}

static void share_set_found(struct share *s, struct found *found)
{
    found_use(found);
    found_drop(&s->found);
    s->found = found;
}

/* ---- the end ---- */

static void share_deliver(void *arg)
{
    struct share *s = arg;
    size_t bytes = found_bytes(s->found), count = 0;
    int64_t until_ms = clock_mono_ms() + WORDS_MS;

    s->timer = NULL;
    for (; s->waiters && count < WORDS_AT_ONCE && count * bytes < WORDS_BYTES &&
           (!count || clock_mono_ms() < until_ms);
         count++)
        share_tell(s, s->waiters, s->word);
    if (s->waiters)
        s->timer =
            loop_after(s->in->env->loop, (int64_t)(count * bytes) * WORDS_PAUSE_MS / WORDS_BYTES,
                       share_deliver, s);
    else if (!s->asking)
        share_free(s);
}

/* All that are in it get this word. */
static void share_end(struct share *s, enum share_word word)
{
    share_close(s);
    s->word = word;
    loop_defer(s->in->env->loop, share_deliver, s);
}

/* Nobody needs the call any more: it ends, unless somebody leads or is going to. */
static void share_end_if_empty(struct share *s)
{
    if (!s->waiters && (s->state == ASKING || s->state == WATCHING))
        share_end(s, SHARE_BACK);
}

/* ---- waiting ---- */

/* Longer, the longer the call has taken. */
static int64_t share_full_ms(const struct share *s)
{
    int64_t ms = clamp64(clock_mono_ms() - s->since_ms, FULL_MIN_MS, FULL_MAX_MS);

    return ms + random_below(ms / 4);
}

/* A call begins, here or elsewhere: those that wait leave their slots, or come back later. */
static void share_let_wait(struct share *s)
{
    struct sharer *w, *tmp;

    DL_FOREACH_SAFE(s->waiters, w, tmp)
    {
        if (s->in->ops->waits(w))
            continue;
        s->in_ms = share_full_ms(s);
        share_tell(s, w, SHARE_BACK);
    }
}

/* Those that have waited as long as for calls of their own make them. */
void share_check_waiters(struct share *s, int64_t now_ms)
{
    struct sharer *w, *tmp;

    DL_FOREACH_SAFE(s->waiters, w, tmp)
    {
        if (w->until_ms <= now_ms)
            share_tell(s, w, SHARE_ALONE);
    }
    share_end_if_empty(s);
}

/* ---- leading ---- */

static void share_lead(struct share *s)
{
    struct sharer *l = s->waiters;

    cache_look_cancel(&s->look);
    loop_cancel(&s->timer);
    s->state = LEADING;
    DL_DELETE(s->waiters, l);
    s->leader = l;
    share_let_wait(s);
    share_say(s, l, SHARE_LEAD); /* the share may be gone when this returns */
}

static void share_promote(void *arg)
{
    struct share *s = arg;

    if (s->waiters) {
        share_lead(s);
        return;
    }
    lease_end(s, "", 0);
    share_end(s, SHARE_BACK);
}

/* A waiter for which that reason does not hold becomes the first one.  False: it holds for all. */
static bool share_prefer_other(struct share *s, const char *reason)
{
    struct sharer *w;

    DL_FOREACH(s->waiters, w)
    {
        if (s->in->ops->concerns(w, reason))
            continue;
        DL_DELETE(s->waiters, w);
        DL_PREPEND(s->waiters, w);
        return true;
    }
    return false;
}

/* ---- asking ---- */

/* later:<wall ms>:<reason> */
static void share_heed_later(struct share *s)
{
    int64_t now = clock_wall_ms();
    char *reason;
    int64_t at_ms = strtoll(s->mark + 6, &reason, 10);

    if (share_prefer_other(s, *reason ? reason + 1 : "")) {
        share_lead(s); /* without a lease: the mark is in its place */
        return;
    }
    s->in_ms = clamp64(at_ms, now + LATER_MIN_MS, now + LATER_MAX_MS) - now;
    s->in_ms += random_below(LATER_SPREAD_MS);
    share_end(s, SHARE_BACK);
}

static void share_poll(void *arg);

static void share_watch(struct share *s)
{
    if (s->state == ASKING) {
        s->state = WATCHING;
        s->heard_ms = clock_mono_ms();
        s->pause_ms = PAUSE_MIN_MS;
        share_let_wait(s);
    }
    if (s->waiters)
        s->timer = loop_after(s->in->env->loop, s->pause_ms / 2 + random_below(s->pause_ms / 2),
                              share_poll, s);
    s->pause_ms = min64(2 * s->pause_ms, PAUSE_MAX_MS);
    share_end_if_empty(s);
}

/* What the value of the lease says: who leads, or what became of that call. */
static void share_heed(struct share *s)
{
    if (s->leased || !s->mark) { /* no mark: Redis grants no lease */
        share_lead(s);
    } else if (*s->mark == '=') {
        share_watch(s);
    } else if (!strncmp(s->mark, "later:", 6)) {
        share_heed_later(s);
    } else {
        s->model = !strncmp(s->mark, "at:", 3) ? s->mark + 3 : NULL;
        share_end(s, SHARE_ALONE);
    }
}

static void share_on_look(void *arg, struct found *found, bool answered)
{
    struct share *s = arg;

    s->look = NULL;
    share_set_found(s, found);
    if (found->known == found->n) {
        lease_end(s, "", 0);
        share_end(s, SHARE_HIT);
    } else if (s->leased || (answered && !s->asking)) {
        s->heard_ms = clock_mono_ms();
        share_heed(s);
    } else if (s->state == ASKING ||
               clock_mono_ms() - s->heard_ms > s->in->env->cfg->cache_lease_ms) {
        share_lead(s); /* Redis has been silent for so long that all leases have expired */
    } else {
        share_watch(s);
    }
}

static void share_look(struct share *s, size_t from, size_t n, cache_look_cb *cb)
{
    s->look = cache_look(s->in->cache, (const char *const *)s->keys + from, n, cb, s);
}

/* One key that is missing stands for all of them: an answer brings all at once. */
static void share_on_peek(void *arg, struct found *found, bool answered)
{
    struct share *s = arg;

    s->look = NULL;
    if (s->n > 1 && (found->known || s->leased))
        share_look(s, 0, s->n, share_on_look);
    else
        share_on_look(s, s->n > 1 ? s->found : found, answered);
}

static void share_poll(void *arg)
{
    struct share *s = arg;

    s->timer = NULL;
    lease_ask(s);
    share_look(s, found_missing(s->found), 1, share_on_peek);
}

static struct share *share_new(struct shares *in, const char *name, const char *const *keys,
                               size_t n)
{
    struct share *s = xcalloc(1, sizeof *s);

    s->in = in;
    s->name = xstrdup(name);
    snprintf(s->token, sizeof s->token, "%s.%" PRIu64, in->token, ++in->made);
    s->keys = xcalloc(n, sizeof *s->keys);
    s->n = n;
    for (size_t i = 0; i < n; i++)
        s->keys[i] = xstrdup(keys[i]);
    s->since_ms = clock_mono_ms();
    DL_APPEND(in->all, s);
    HASH_ADD_KEYPTR(hh, in->by_name, s->name, strlen(s->name), s);
    lease_tick(in);
    lease_ask(s); /* before the look: so no answer is missed in between */
    share_look(s, 0, n, share_on_look);
    return s;
}

int64_t share_join(struct shares *in, struct sharer *w, const char *name, const char *const *keys,
                   size_t n, int64_t wait_ms)
{
    struct share *s;

    HASH_FIND_STR(in->by_name, name, s);
    if (s && s->state != ASKING && !in->ops->waits(w))
        return share_full_ms(s);
    if (!s)
        s = share_new(in, name, keys, n);
    w->until_ms = clock_mono_ms() + wait_ms;
    w->share = s;
    DL_APPEND(s->waiters, w);
    return 0;
}

/* ---- outcomes ---- */

static bool share_leads(const struct sharer *l) { return l->share && l->share->leader == l; }

/* The share that it leads no more; NULL: it did not. */
static struct share *share_leader_out(struct sharer *l)
{
    struct share *s = share_leads(l) ? l->share : NULL;

    if (!s)
        return NULL;
    s->leader = NULL;
    l->share = NULL;
    return s;
}

void share_answer(struct sharer *l, struct entry *e)
{
    struct share *s = share_leader_out(l);
    struct found *found;

    if (!s)
        return;
    found = found_new(s->n);
    found->whole = entry_use(e);
    share_set_found(s, found);
    found_drop(&found);
    lease_end(s, "", 0); /* an answer too large to be kept is not found: somebody else leads then */
    share_end(s, SHARE_HIT);
}

/* The others call for themselves; model: the one that answered, or NULL. */
static void share_part(struct sharer *l, const char *model)
{
    struct share *s = share_leader_out(l);
    struct buf mark = BUF(MARK_BYTES);

    if (!s)
        return;
    buf_printf(&mark, "%s%s", model ? "at:" : "failed", model ? model : "");
    free(s->mark);
    s->mark = buf_take(&mark);
    s->model = model ? s->mark + 3 : NULL;
    lease_end(s, s->mark, FAILED_MS);
    share_end(s, SHARE_ALONE);
}

void share_failed(struct sharer *l) { share_part(l, NULL); }
void share_moved(struct sharer *l, const char *model) { share_part(l, model); }

void share_later(struct sharer *l, int64_t in_ms, const char *reason)
{
    struct share *s = share_leader_out(l);
    struct buf mark = BUF(MARK_BYTES);

    if (!s)
        return;
    if (share_prefer_other(s, reason)) {
        loop_defer(s->in->env->loop, share_promote, s);
        return;
    }
    in_ms = max64(in_ms, 1);
    buf_printf(&mark, "later:%" PRId64 ":%s", clock_wall_ms() + in_ms, reason);
    /* gone when the job is back, which waits less long */
    lease_end(s, mark.p, min64(in_ms - in_ms / 8, LATER_MS));
    buf_done(&mark);
    /* the first one may be called back sooner, and its answer be there long before */
    s->in_ms = min64(in_ms, LATER_MAX_MS) + random_below(LATER_SPREAD_MS);
    share_end(s, SHARE_BACK);
}

void share_leave(struct sharer *w)
{
    struct share *s = w->share;

    if (share_leader_out(w)) {
        loop_defer(s->in->env->loop, share_promote, s); /* not now: all may be about to leave */
    } else if (s) {
        share_unlink(s, w);
        share_end_if_empty(s);
    }
}

void share_again(struct sharer *l, int64_t most)
{
    if (share_leads(l) && l->share->rounds++ < most)
        share_leave(l);
    else
        share_failed(l);
}
