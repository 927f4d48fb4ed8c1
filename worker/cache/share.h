/* share.h - equal calls under way anywhere in the fleet become one (single flight).
 *
 * Those that ask for the same join one share, with the cache keys that would answer it:
 *
 *   share_join ──▶ is there an answer, and who makes the call?
 *                    ├─ an answer ───────────▶ all of them: HIT
 *                    ├─ the lease is ours ───▶ one of them: LEAD; the others wait for its outcome
 *                    ├─ another's lease ─────▶ the same question again, after 50 ms to 1 s
 *                    └─ a mark of a leader ──▶ its outcome
 *
 * The outcome of a leader, and what the others get by it.  Other processes read it from a mark that
 * stands for some seconds in the place of the lease.
 *
 *   share_answer   HIT; in other processes for those that find it: keep it first
 *   share_failed   ALONE, all in parallel
 *   share_moved    ALONE, with the model that answered: they may look there
 *   share_later    BACK: it was postponed, and they would wait for the same reason.  But the first
 *                  for which the reason does not hold LEADs, and the others wait for it.
 *   share_again    the next one LEADs; after some rounds as share_failed
 *   share_leave    the next one LEADs at once
 *
 * A process renews all its leases together.  When it dies they expire, and the next one that asks
 * leads.  While Redis is slow or away one of each process leads without a lease.
 *
 * A word comes by ops->word, exactly once per sharer and never inside share_join.  The sharer is in
 * no share then, unless it leads.  After share_leave no word comes.
 */
#ifndef FLOTILLA_CACHE_SHARE_H
#define FLOTILLA_CACHE_SHARE_H

#include "common/core/base.h"
#include "worker/cache/cache.h"
#include "worker/env.h"

struct shares;
struct share;
struct sharer;

enum share_word {
    SHARE_HIT,   /* the answer is known: news->found */
    SHARE_LEAD,  /* make the call and report its outcome; news->found has what is known of it */
    SHARE_ALONE, /* make the call for yourself; news->found and, if another model answered an equal
                  * call, news->model */
    SHARE_BACK   /* not now: join again in news->in_ms */
};
struct share_news {
    struct found *found; /* borrowed; or NULL */
    const char *model;   /* text; or NULL */
    int64_t in_ms;
};
struct share_ops {
    /* It is going to wait for a call: may it, in memory? */
    bool (*waits)(struct sharer *s);
    void (*word)(struct sharer *s, enum share_word word, const struct share_news *news);
    /* Would the call of this one wait for the same reason?  reason: of share_later, perhaps in
     * another process. */
    bool (*concerns)(const struct sharer *s, const char *reason);
};

/* One that asks; a member of the asker's own struct, zeroed before its first use. */
struct sharer {
    void *arg;           /* the asker's */
    struct share *share; /* NULL: in none */
    int64_t until_ms;    /* monotonic: then it gets ALONE */
    struct sharer *prev, *next;
};

struct shares *shares_new(const struct env *env, struct cache *cache, const struct share_ops *ops);
void shares_flush(struct shares *s); /* leases that ended are written now */
void shares_free(struct shares *s);  /* after redis_free(env->redis), before cache_free */

/* 0: a word will come.  Else not joined, as too many wait in memory: join again in so many ms.
 * wait_ms: how long it waits for the calls of others. */
NODISCARD int64_t share_join(struct shares *in, struct sharer *s, const char *name,
                             const char *const *keys, size_t n, int64_t wait_ms);

/* ---- the leader's outcome; nothing happens when s does not lead.  It is in no share then. ---- */
void share_answer(struct sharer *s, struct entry *e);
void share_failed(struct sharer *s);
void share_moved(struct sharer *s, const char *model);
void share_later(struct sharer *s, int64_t in_ms, const char *reason);
void share_again(struct sharer *s, int64_t most);
/* Any sharer, at any time; nothing happens when it is in none. */
void share_leave(struct sharer *s);

#endif
