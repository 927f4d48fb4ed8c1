/* share_private.h - what share.c and share_lease.c have in common. */
#ifndef FLOTILLA_CACHE_SHARE_PRIVATE_H
#define FLOTILLA_CACHE_SHARE_PRIVATE_H

#include "common/core/hash.h"
#include "common/io/loop.h"
#include "common/io/redis.h"
#include "worker/batcher.h"
#include "worker/cache/share.h"
#include "worker/env.h"

enum share_state {
    ASKING,   /* the first time: the answer comes at once */
    WATCHING, /* another process makes the call */
    LEADING,  /* this one does */
    ENDING    /* out of the table; its sharers get their word */
};

struct share {
    struct shares *in;
    enum share_state state;
    char *name, **keys;
    size_t n;
    char token[64];         /* the value of the lease when it is ours */
    struct sharer *waiters; /* in the order they came */
    struct sharer *leader;  /* LEADING; NULL until the next one gets its word */
    struct found *found;    /* as last seen */
    struct cache_look *look;
    bool asking;              /* lease_ask is not answered yet: it is not freed before */
    bool leased;              /* the lease is ours */
    char *mark;               /* the value of the lease when it was last read; NULL: it has none */
    struct loop_timer *timer; /* the next question; ENDING: the next words */
    int64_t since_ms, heard_ms, pause_ms;
    int64_t rounds; /* of share_again */
    /* ENDING */
    enum share_word word;
    const char *model; /* part of mark */
    int64_t in_ms;
    UT_hash_handle hh;
    struct share *prev, *next; /* in all */
};

struct shares {
    const struct env *env;
    struct cache *cache;
    const struct share_ops *ops;
    struct share *by_name; /* those whose outcome is not known */
    struct share *all;
    struct loop_timer *tick;
    char token[40]; /* "=" and random, the beginning of all our tokens */
    uint64_t made;
    struct redis_args names, words; /* for flight.lua */
    struct batcher batcher;
};

void share_free(struct share *s);
void share_check_waiters(struct share *s, int64_t now_ms);

/* ---- share_lease.c ---- */
/* Take the lease if it is free, and read it: s->asking until that is answered, then s->leased and
 * s->mark. */
void lease_ask(struct share *s);
/* Ours no more: gone, or a mark for so long.  Nothing happens when it is not ours. */
void lease_end(struct share *s, const char *mark, int64_t ms);
/* From now on leases are renewed and waiters checked, while there are shares. */
void lease_tick(struct shares *in);

#endif
