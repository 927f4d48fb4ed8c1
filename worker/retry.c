/* retry.c - see retry.h.
 *
 *     err_class(kind):  FAIL, NONE --> the end
 *                       RETRY      --> retry(): an attempt, backoff
 *                       PARK, STOP --> park():  a pause, no attempt
 *
 * Full jitter after "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): of the usual
 * forms it spreads a herd best.  A park keeps half of its length: the others wait for the same
 * thing, and a try too early is one more call that is refused. */
#include "worker/retry.h"

/* base * 2^n, never over max */
static int64_t doubled(int64_t base, int n, int64_t max)
{
    while (n-- > 0 && base < max)
        base *= 2;
    return min64(base, max);
}

int64_t retry_backoff_ms(const struct job *job, int attempts_spent)
{
    if (job->backoff == BACKOFF_FIXED)
        return min64(job->backoff_delay_ms, job->backoff_max_ms);
    return doubled(job->backoff_delay_ms, attempts_spent, job->backoff_max_ms);
}

static struct retry_out retry_end(enum err_kind kind)
{
    return (struct retry_out){.action = RETRY_END, .kind = kind, .attempt_spent = true};
}

static struct retry_out retry(const struct retry_rules *rules, const struct retry_in *in)
{
    int64_t most = retry_backoff_ms(in->job, in->rec->attempts);
    int64_t delay = in->job->backoff_jitter ? in->below(most + 1) : most;

    if (in->rec->attempts + 1 >= in->job->max_attempts)
        return retry_end(in->kind);
    delay = max64(delay, min64(in->server_wait_ms, rules->server_wait_max_ms));
    return (struct retry_out){RETRY_LATER, in->kind, delay, true};
}

/* A pause grows with what was waited already, so it is about as long as all before it. */
static struct retry_out park(const struct retry_rules *rules, const struct retry_in *in)
{
    int64_t since = in->rec->parked_ms ? in->rec->parked_ms : in->now_ms;
    int64_t pause = min64(max64(rules->park_min_ms, in->now_ms - since), rules->park_max_ms);
    int64_t delay = pause / 2 + in->below(pause - pause / 2 + 1);

    delay = max64(delay, min64(in->server_wait_ms, rules->server_wait_max_ms));
    if (in->now_ms - since >= rules->max_wait_ms)
        return (struct retry_out){.action = RETRY_END, .kind = ERR_WAITED_TOO_LONG};
    if (in->rec->expires_ms && in->now_ms + delay >= in->rec->expires_ms)
        return (struct retry_out){.action = RETRY_END, .kind = ERR_EXPIRED};
    return (struct retry_out){RETRY_PARK, in->kind, max64(delay, 1), false};
}

struct retry_out retry_decide(const struct retry_rules *rules, const struct retry_in *in)
{
    switch (err_class(in->kind)) {
    case ERR_CLASS_RETRY: return retry(rules, in);
    case ERR_CLASS_PARK:
    case ERR_CLASS_STOP: return park(rules, in);
    case ERR_CLASS_FAIL:
    case ERR_CLASS_NONE: break;
    }
    return retry_end(in->kind);
}
