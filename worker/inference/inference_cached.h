/* inference_cached.h - what inference_cache.c and inference_keep.c know of one job. */
#ifndef FLOTILLA_INFERENCE_CACHED_H
#define FLOTILLA_INFERENCE_CACHED_H

#include "common/core/digest.h"
#include "worker/cache/embed.h"
#include "worker/cache/share.h"
#include "worker/inference/inference.h"

struct inference_cached {
    struct run *run;
    struct sharer sharer;
    enum cache_kind kind;
    char hash[CANONICAL_HEX]; /* of the whole body */
    char *model;              /* text: whose keys they are */
    char *name;               /* what equal calls share */
    char **keys;
    size_t n;
    struct embed texts;   /* kind EMBED */
    struct buf asked;     /* the job's body, when one with fewer texts is sent; else empty */
    struct found *found;  /* what is known of them; our own, once a call is made */
    struct entry *answer; /* what the job ends with, when it is not the provider's body */
    bool moved;           /* it joined under another model already */
};

/* Why the run is deferred at its present step.  Equal calls with the same text would be deferred
 * too. */
#define INFERENCE_REASON (2 + DIGEST_TEXT)
void inference_cache_reason(const struct run *r, bool for_money, char text[INFERENCE_REASON]);
char *inference_cache_key(const struct run *r, struct span model, const char *hash);
/* A cost event for a call that was not made. */
void inference_tell_saved(struct run *r, const struct entry *e);
struct usage inference_sum_usage(const struct found *found);
void inference_cache_free(struct run *r);
extern const struct share_ops inference_share_ops; /* for shares_new */

#endif
