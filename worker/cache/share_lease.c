/* share_lease.c - the leases of calls that are made for the fleet: fl:{0}:flight:<name>.
 *
 *   SET NX PX, GET   who leads: the token of a share; or the mark of a leader
 *   flight.lua       renews and ends many at once, only those that are still ours: renewals every
 *                    third of a lease, ends at most every END_MS, behind the answers they announce
 */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/config/config.h"
#include "common/core/clock.h"
#include "common/core/random.h"
#include "common/core/xalloc.h"
#include "common/queue/scripts.h"
#include "worker/cache/share_private.h"

enum { TOKEN_BYTES = 16, LEASES_MAX = 500, END_MS = 20 };

/* ---- renewing and ending ---- */

static void lease_flush(void *arg)
{
    struct shares *in = arg;
    size_t count = in->names.count;

    if (count == 0)
        return;
    redis_args_append(&in->names, &in->words);
    redis_script(in->env->redis, script(SCRIPT_FLIGHT), count, &in->names, NULL, NULL);
    redis_args_done(&in->words);
    redis_args_init(&in->names);
    redis_args_init(&in->words);
}

static void lease_add_word(struct share *s, const char *word, int64_t ms)
{
    struct shares *in = s->in;

    keys_arg(&in->names, in->env->keys.flight, s->name);
    redis_args_add(&in->words, s->token, word, ms);
    if (in->names.count >= LEASES_MAX)
        batcher_flush(&in->batcher);
    else
        batcher_soon(&in->batcher);
}

void lease_end(struct share *s, const char *mark, int64_t ms)
{
    if (s->leased)
        lease_add_word(s, mark, ms);
    s->leased = false;
}

static void lease_on_tick(void *arg)
{
    struct shares *in = arg;
    int64_t now = clock_mono_ms();
    struct share *s, *tmp;

    in->tick = NULL;
    HASH_ITER(hh, in->by_name, s, tmp)
    {
        if (s->leased)
            lease_add_word(s, "=", in->env->cfg->cache_lease_ms);
        share_check_waiters(s, now);
    }
    if (in->by_name)
        lease_tick(in);
}

void lease_tick(struct shares *in)
{
    if (!in->tick)
        in->tick = loop_after(in->env->loop, in->env->cfg->cache_lease_ms / 3, lease_on_tick, in);
}

/* ---- asking ---- */

static void lease_on_answer(void *arg, const struct reply *reply, const struct err *err)
{
    struct share *s = arg;
    struct span value = reply_span(reply);

    (void)err;
    s->asking = false;
    s->leased = span_is(value, s->token);
    if (s->state != ENDING) {
        free(s->mark);
        s->mark = value.p ? xstrndup(value.p, value.n) : NULL;
        return;
    }
    lease_end(s, "", 0); /* nobody wants it any more */
    if (!s->waiters)
        share_free(s);
}

void lease_ask(struct share *s)
{
    const struct env *env = s->in->env;
    struct redis_args a;

    if (s->asking)
        return;
    s->asking = true;
    redis_args_make(&a, "SET", key_word(env->keys.flight, s->name), s->token, "NX", "PX",
                    env->cfg->cache_lease_ms);
    redis_send(env->redis, &a, NULL, NULL);
    redis_args_make(&a, "GET", key_word(env->keys.flight, s->name));
    redis_send(env->redis, &a, lease_on_answer, s);
}

/* ---- all of them ---- */

struct shares *shares_new(const struct env *env, struct cache *cache, const struct share_ops *ops)
{
    struct shares *in = xcalloc(1, sizeof *in);

    in->env = env;
    in->cache = cache;
    in->ops = ops;
    in->token[0] = '=';
    random_hex(in->token + 1, TOKEN_BYTES);
    redis_args_init(&in->names);
    redis_args_init(&in->words);
    in->batcher =
        (struct batcher){.loop = env->loop, .every_ms = END_MS, .flush = lease_flush, .arg = in};
    return in;
}

void shares_flush(struct shares *in) { batcher_flush(&in->batcher); }

void shares_free(struct shares *in)
{
    struct share *s, *tmp;

    if (!in)
        return;
    DL_FOREACH_SAFE(in->all, s, tmp) { share_free(s); }
    loop_cancel(&in->tick);
    batcher_cancel(&in->batcher);
    redis_args_done(&in->names);
    redis_args_done(&in->words);
    free(in);
}
