/* share.h - equal calls that are under way anywhere in the fleet become one.
 *
 * Those who ask for the same join under one name, with the cache keys that would answer it:
 *
 *   ASKING  (SET fl:{0}:flight:<name> NX PX lease, and then a look) --found--> all of them: HIT
 *      | got it                      | another process has it
 *   LEADING: one of them LEADs,   WATCHING: polls keys and lease, 50 ms to 1 s apart;
 *      | the others wait             | --found--> HIT   --lease gone--> ASKING
 *      v                                            --a mark--> its word
 *   share_answer   the others: HIT; elsewhere when it is found, else one of them LEADs
 *   share_failed   the others: ALONE (in parallel); elsewhere too, by a mark of some seconds
 *   share_moved    another model answered: ELSEWHERE, they know whether they may take that
 *   share_later    it was put off: LATER, so that they do not queue up for the same thing; but
 *                  the first for whom the reason does not hold LEADs, and the others wait for him
 *   share_again    no good answer, and it asks again: the next of them LEADs
 *   share_leave    the leader is gone: the next of them LEADs at once
 *
 * A process renews all its leases together; when it dies they run out, and one of those who watch
 * leads.  While Redis is slow or away one of each process leads without a lease.
 *
 * Words come by ops->word, exactly once per sharer, never inside share_join, and after it the
 * sharer is in nothing (but a leader).  share_leave takes the word back.
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
    SHARE_HIT,       /* it is known: news->found */
    SHARE_LEAD,      /* make the call and tell how it went; news->found has what is known of it */
    SHARE_ALONE,     /* make the call for yourself; news->found as above */
    SHARE_ELSEWHERE, /* news->model answered it */
    SHARE_LATER,     /* the call is put off; come back in news->in_ms */
    SHARE_FULL       /* too many wait in memory; come back in news->in_ms */
};
struct share_news {
    struct found *found; /* borrowed; NULL unless said */
    const char *model;   /* text */
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

/* One who asks; a member of the asker's own struct, zeroed before its first use. */
struct sharer {
    void *arg;           /* the asker's */
    struct share *share; /* NULL: in none */
    int64_t until_ms;    /* monotonic: ALONE when it waited for so long */
    struct sharer *prev, *next;
};

extern const struct share_ops inference_share_ops; /* jobs/inference_cache.c */
struct shares *shares_new(const struct env *env, struct cache *cache, const struct share_ops *ops);
void shares_flush(struct shares *s); /* leases that ended are told at once */
void shares_free(struct shares *s);  /* after redis_free(env->redis), before cache_free */

/* 0: a word will come.  Else as FULL: not joined, come back in so many ms.  wait_ms: see until_ms.
 */
NODISCARD int64_t share_join(struct shares *in, struct sharer *s, const char *name,
                             const char *const *keys, size_t n, int64_t wait_ms);
bool share_leads(const struct sharer *s);
/* The leader's word; nothing when s does not lead.  It is in no share then. */
/* The others use it too; in other processes those who find it: keep it first. */
void share_answer(struct sharer *s, struct entry *e);
void share_failed(struct sharer *s);
void share_moved(struct sharer *s, const char *model);
void share_later(struct sharer *s, int64_t in_ms, const char *reason);
/* After so many times it is share_failed. */
void share_again(struct sharer *s, int64_t most);
/* Any sharer, at any time; nothing when it is in none. */
void share_leave(struct sharer *s);

#endif
