/* sim_rate.c - the provider's dynamic rate limit.
 *
 * Time is an argument, so a test walks through an hour in no time.  Each call
 * first closes the second that has passed (grow or cut), then fills, then
 * takes.
 */
#include "tests/sim/sim_rate.h"

#define SECOND_US 1000000

void sim_rate_reset(struct sim_rate *r)
{
    r->limit = r->level = r->start_per_s;
    r->second = r->counted = r->last_us = 0;
    r->taken = r->refused = 0;
    r->allowed = 0;
    r->passed = r->refused_in_all = 0;
    r->token_level = r->tokens_per_s;
    r->tokens_us = r->tokens_refused = 0;
    r->tokens = 0;
}

static void close_second(struct sim_rate *r, int64_t second)
{
    if (second == r->second)
        return;
    if (r->refused)
        r->limit -= r->limit * r->cut_percent / 100;
    else if (r->taken)
        r->limit += r->growth_per_clean_s;
    if (r->limit < 1)
        r->limit = 1;
    r->second = second;
    r->taken = r->refused = 0;
}

static void move(struct sim_rate *r, int64_t now_us)
{
    int64_t second = now_us / SECOND_US;

    if (r->last_us && !r->fixed_window)
        r->allowed += r->limit * (double)(now_us - r->last_us) / SECOND_US;
    if (r->fixed_window && second != r->second) /* seconds without a request counted too */
        r->allowed += r->second ? (double)(second - r->second - 1) * (int)r->limit : 0;
    close_second(r, second);
    if (r->fixed_window && second != r->counted)
        r->allowed += (int)r->limit;
    r->counted = second;
    if (r->last_us)
        r->level += r->limit * (double)(now_us - r->last_us) / SECOND_US;
    if (r->level > r->limit)
        r->level = r->limit;
    r->last_us = now_us;
}

void sim_rate_look(struct sim_rate *r, int64_t now_us)
{
    if (r->on && r->last_us)
        move(r, now_us);
}

bool sim_rate_take(struct sim_rate *r, int64_t now_us, int *ret_reset_s)
{
    bool pass;

    if (!r->on)
        return true;
    if (r->limit <= 0)
        sim_rate_reset(r);
    move(r, now_us);
    pass = r->fixed_window ? r->taken < (int)r->limit : r->level >= 1;
    if (pass) {
        r->taken++;
        r->passed++;
        r->level -= 1;
    } else {
        r->refused++;
        r->refused_in_all++;
        *ret_reset_s = 1 + r->refused / (1 + (int)r->limit);
    }
    return pass;
}

bool sim_rate_take_tokens(struct sim_rate *r, int64_t now_us, int *ret_reset_s)
{
    if (!r->on || r->tokens_per_s <= 0)
        return true;
    if (r->tokens_us)
        r->token_level += r->tokens_per_s * (double)(now_us - r->tokens_us) / SECOND_US;
    if (r->token_level > r->tokens_per_s)
        r->token_level = r->tokens_per_s;
    r->tokens_us = now_us;
    if (r->token_level > 0)
        return true;
    r->tokens_refused++;
    *ret_reset_s = 1 + (int)(-r->token_level / r->tokens_per_s);
    return false;
}

void sim_rate_used(struct sim_rate *r, double tokens)
{
    r->tokens += tokens;
    r->token_level -= tokens;
}
