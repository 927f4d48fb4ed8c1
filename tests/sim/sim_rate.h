/* sim_rate.h - the provider's dynamic rate limit, as a plain function of time.
 *
 * "dynamic": a bucket that fills with `limit` requests per second and holds a
 * second's worth.  "fixed": at most `limit` requests in each whole second.
 * The limit starts at start_per_s; every second with traffic and without a
 * refusal adds growth_per_clean_s, every second with a refusal cuts it by
 * cut_percent (never below one request per second).
 *
 * Tokens: with tokens_per_s a second bucket fills with so many tokens, up to a second's worth.  A
 * request passes while anything is in it, and takes out what it used when that is known, so that
 * the bucket may owe; this limit stays as it is.
 *
 * It keeps books: from the first request on `allowed` sums up what a client that always had
 * requests could have sent at a steady pace: the limit over time ("fixed": of each second, once).
 */
#ifndef FLOTILLA_SIM_RATE_H
#define FLOTILLA_SIM_RATE_H

#include "common/core/base.h"

struct sim_rate {
    bool on, fixed_window;
    bool silent; /* a refusal does not say how long to wait */
    double start_per_s, growth_per_clean_s;
    int cut_percent;
    double tokens_per_s; /* 0: no limit of tokens */
    /* books */
    double allowed;
    int64_t passed, refused_in_all;
    double tokens; /* used by those that passed */
    int64_t tokens_refused;
    /* private */
    double limit, level;
    int64_t second, counted, last_us;
    int taken, refused;
    double token_level;
    int64_t tokens_us;
};

/* Forget what happened; the settings stay. */
void sim_rate_reset(struct sim_rate *r);
/* May one more request pass now?  False: *ret_reset_s says how many seconds to wait (>= 1). */
bool sim_rate_take(struct sim_rate *r, int64_t now_us, int *ret_reset_s);
/* The same of its tokens. */
bool sim_rate_take_tokens(struct sim_rate *r, int64_t now_us, int *ret_reset_s);
/* A request that passed used so many. */
void sim_rate_used(struct sim_rate *r, double tokens);
/* Bring the books and the limit up to now. */
void sim_rate_look(struct sim_rate *r, int64_t now_us);

#endif
