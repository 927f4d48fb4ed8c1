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
    struct buf asked;     /* the body that asked for all of them, when another one went out */
    struct found *found;  /* what is known of them; our own, once a call is made */
    struct entry *answer; /* what the job ends with, when it is not the provider's body */
    bool moved;           /* it looked under another model already */
};

/* Why a run that is deferred at its present step waits: an equal call that gives the same text
 * would do so too. */
#define INFERENCE_REASON (2 + DIGEST_TEXT)
void inference_cache_reason(const struct run *r, bool for_money, char text[INFERENCE_REASON]);
char *inference_cache_key(const struct run *r, struct span model, const char *hash);
/* A cost event for what was not paid. */
void inference_tell_saved(struct run *r, const struct entry *e);
struct usage inference_sum_usage(const struct found *found);
void inference_cache_free(struct run *r);

#endif
