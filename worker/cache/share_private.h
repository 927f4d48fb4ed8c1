/* share_private.h - what share.c and its parts have in common. */
#ifndef FLOTILLA_CACHE_SHARE_PRIVATE_H
#define FLOTILLA_CACHE_SHARE_PRIVATE_H

#include "common/core/hash.h"
#include "common/io/loop.h"
#include "common/io/redis.h"
#include "worker/cache/share.h"
#include "worker/env.h"

enum share_state { ASKING, LEADING, WATCHING, ENDING };

struct share {
    struct shares *in;
    enum share_state state;
    char *name;
    char **keys;
    size_t n;
    struct sharer *waiters; /* in the order they came */
    struct sharer *leader;  /* LEADING; NULL while the next one is to be told */
    struct found *found;    /* as last seen */
    struct cache_look *look;
    struct lease_ask *asking; /* a command about the lease is not answered yet */
    bool leased;              /* the lease is ours */
    bool refused;             /* Redis did not take the question for it */
    char *mark;               /* the flight's value as last polled; NULL none */
    struct loop_timer *timer;
    int64_t since_ms, heard_ms, pause_ms;
    int64_t rounds; /* share_again */
    /* ENDING */
    enum share_word word;
    char *model;
    int64_t in_ms;
    bool listed; /* in by_name */
    UT_hash_handle hh;
    struct share *prev, *next; /* in all */
};

struct shares {
    const struct env *env;
    struct cache *cache;
    const struct share_ops *ops;
    struct share *by_name, *all;
    struct loop_timer *tick;
    char token[40]; /* "=" and random: what our flights hold */
    /* words for flight.lua, held back to share a call */
    struct redis_args names, words;
    struct loop_timer *hold;
};

/* Its outcome is known: everybody in it gets that word, and it goes. */
void share_end(struct share *s, enum share_word word);
void share_set_found(struct share *s, struct found *found);
void share_promote_later(struct share *s); /* the first who waits leads; nobody waits: it goes */
void share_check_waiters(struct share *s, int64_t now_ms); /* may free it */

/* ---- share_leader.c ---- */
/* It leads no more, and is in no share; NULL: it did not lead. */
struct share *leader_out(struct sharer *l);
/* For whom that reason to wait does not hold, comes first.  False: it holds for all. */
bool leader_prefer_other(struct share *s, const char *reason);

/* ---- share_table.c ---- */
struct share *table_find(const struct shares *in, const char *name); /* NULL: none */
void table_enter(struct share *s);
void table_leave(struct share *s); /* nothing when it is not there */

/* ---- share_lease.c ---- */
void lease_init(struct shares *in);
void lease_flush(struct shares *in); /* what is held back goes out now */
void lease_done(struct shares *in);
/* SET NX; s->asking until it is answered, then leased or refused, or neither: another has it. */
void lease_take(struct share *s);
/* GET; s->asking until it is answered, then s->mark. */
void lease_look(struct share *s);
/* What is asked is not waited for any more; a lease that comes yet is given back. */
void lease_forget(struct share *s);
/* Ours no more: gone, or a mark for so long.  Nothing when it is not ours. */
void lease_end(struct share *s, const char *mark, int64_t ms);
/* Renew in a while what is ours, and look who waited long enough. */
void lease_tick_later(struct shares *in);
/* "<wall ms>:..." of a mark -> how long that is from now. */
int64_t lease_later_ms(const char *text);

#endif
