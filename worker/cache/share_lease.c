/* share_lease.c - the leases of calls that are made for the fleet: fl:{0}:flight:<name>.
 *
 *   SET NX PX       who leads: the process's token
 *   flight.lua      renews and ends many at once, only those that are still ours;
 *                   renewals every third of a lease, endings held back for HOLD_MS, so
 *                   that they share a call: behind the answers that they announce
 *
 * A question outlives the share that asked it, so that a lease that nobody
 * wants any more is given back and not waited for.
 */
#include <stdlib.h>
#include <string.h>

#include "common/config/config.h"
#include "common/core/clock.h"
#include "common/core/parse.h"
#include "common/core/random.h"
#include "common/core/xalloc.h"
#include "common/queue/scripts.h"
#include "worker/cache/share_private.h"

enum { TOKEN_BYTES = 16, TOLD_MAX = 500, HOLD_MS = 20, LATER_MIN_MS = 100, LATER_MAX_MS = 60000 };

struct lease_ask {
    struct shares *in;
    struct share *share; /* NULL: it does not wait for it */
    char *name;
};

/* ---- telling ---- */

void lease_flush(struct shares *in)
{
    struct redis_args a;
    size_t count = in->names.count;

    loop_cancel(&in->hold);
    if (count > 0) {
        redis_args_init(&a);
        redis_args_append(&a, &in->names);
        redis_arg_str(&a, in->token);
        redis_args_append(&a, &in->words);
        redis_script(in->env->redis, script(SCRIPT_FLIGHT), count, &a, NULL, NULL);
    }
    redis_args_done(&in->names);
    redis_args_done(&in->words);
    redis_args_init(&in->names);
    redis_args_init(&in->words);
}

static void on_hold_over(void *arg)
{
    struct shares *in = arg;

    in->hold = NULL;
    lease_flush(in);
}

static void add_word(struct shares *in, const char *name, const char *word, int64_t ms)
{
    keys_arg(&in->names, in->env->keys.flight, name);
    redis_args_add(&in->words, word, ms);
    if (in->names.count >= TOLD_MAX)
        lease_flush(in);
    else if (!in->hold)
        in->hold = loop_after(in->env->loop, HOLD_MS, on_hold_over, in);
}

void lease_end(struct share *s, const char *mark, int64_t ms)
{
    if (s->leased)
        add_word(s->in, s->name, mark, ms);
    s->leased = false;
}

/* ---- asking ---- */

static struct lease_ask *ask_new(struct share *s)
{
    struct lease_ask *k = xmalloc(sizeof *k);

    *k = (struct lease_ask){s->in, s, xstrdup(s->name)};
    s->asking = k;
    return k;
}

/* The share that still waits for it, or NULL. */
static struct share *ask_done(struct lease_ask *k)
{
    struct share *s = k->share;

    if (s)
        s->asking = NULL;
    free(k->name);
    free(k);
    return s;
}

static void on_taken(void *arg, const struct reply *reply, const struct err *err)
{
    struct lease_ask *k = arg;
    bool got = reply_is(reply, "OK");
    struct share *s;

    (void)err;
    if (got && !k->share)
        add_word(k->in, k->name, "", 0);
    s = ask_done(k);
    if (!s)
        return;
    s->leased = got;
    s->refused = !reply;
}

void lease_take(struct share *s)
{
    struct redis_args a;

    s->leased = s->refused = false;
    redis_args_make(&a, "SET", key_word(s->in->env->keys.flight, s->name), s->in->token, "NX", "PX",
                    s->in->env->cfg->cache_lease_ms);
    redis_send(s->in->env->redis, &a, on_taken, ask_new(s));
}

static void on_seen(void *arg, const struct reply *reply, const struct err *err)
{
    struct share *s = ask_done(arg);
    struct span mark = reply_span(reply);

    (void)err;
    if (!s)
        return;
    free(s->mark);
    s->mark = mark.p ? xstrndup(mark.p, mark.n) : NULL;
}

void lease_look(struct share *s)
{
    struct redis_args a;

    redis_args_make(&a, "GET", key_word(s->in->env->keys.flight, s->name));
    redis_send(s->in->env->redis, &a, on_seen, ask_new(s));
}

void lease_forget(struct share *s)
{
    if (s->asking)
        s->asking->share = NULL;
    s->asking = NULL;
}

int64_t lease_later_ms(const char *text)
{
    int64_t due, ms;

    if (!parse_int64(text, strcspn(text, ":"), 0, INT64_MAX, &due))
        return LATER_MIN_MS;
    ms = due - clock_wall_ms();
    return clamp64(ms, LATER_MIN_MS, LATER_MAX_MS);
}

/* ---- renewing ---- */

static void on_tick(void *arg)
{
    struct shares *in = arg;
    int64_t now = clock_mono_ms();
    struct share *s, *tmp;

    in->tick = NULL;
    HASH_ITER(hh, in->by_name, s, tmp)
    {
        if (s->leased)
            add_word(in, s->name, "=", in->env->cfg->cache_lease_ms);
        share_check_waiters(s, now);
    }
    lease_tick_later(in);
}

void lease_tick_later(struct shares *in)
{
    if (!in->tick && in->by_name)
        in->tick = loop_after(in->env->loop, in->env->cfg->cache_lease_ms / 3, on_tick, in);
}

void lease_init(struct shares *in)
{
    in->token[0] = '=';
    random_hex(in->token + 1, TOKEN_BYTES);
    redis_args_init(&in->names);
    redis_args_init(&in->words);
}

void lease_done(struct shares *in)
{
    loop_cancel(&in->tick);
    loop_cancel(&in->hold);
    redis_args_done(&in->names);
    redis_args_done(&in->words);
}
