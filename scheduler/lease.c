/* lease.c - of all schedulers, one works.
 *
 *   STANDBY --taken--> HELD --other, or not renewed in time--> STANDBY
 *
 * The lease is a key with a time to live that holds a random token; the holder
 * renews it three times in that time.  A holder that cannot reach Redis stops
 * by itself when the time is over; and whatever it may still send afterwards
 * is refused by the scripts, which compare the token.
 *
 * The token ends with the number of the connection.  What a lost connection still carries may reach
 * Redis late, after what the next one has sent: by then the lease holds the next token, so that it
 * is refused as well. */
#include <stdio.h>
#include <stdlib.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/random.h"
#include "common/core/xalloc.h"
#include "common/queue/scripts.h"
#include "scheduler/scheduler.h"

enum { TOKEN = 32, NUMBER = 8 /* the end of the token, in hex */ };

struct lease {
    struct scheduler *s;
    char token[TOKEN + 1];
    uint32_t connection;
    bool held, asking;
    int64_t renewed_ms; /* when the last renewal that succeeded was sent */
    int64_t asked_ms;
    struct loop_timer *timer;
};

static void lease_ask(struct lease *l);

static void set_held(struct lease *l, bool held)
{
    struct scheduler *s = l->s;

    if (l->held == held)
        return;
    l->held = held;
    log_event(LOG_INFO, held ? "lease.held" : "lease.lost", "token=%.8s", l->token);
    if (held) {
        intake_start(s->intake);
        promoter_start(s->promoter);
        reaper_start(s->reaper);
        expirer_start(s->expirer);
        housekeeper_start(s->housekeeper);
        rescuer_start(s->rescuer);
        herald_start(s->herald);
        clerk_start(s->clerk);
    } else {
        intake_stop(s->intake);
        promoter_stop(s->promoter);
        reaper_stop(s->reaper);
        expirer_stop(s->expirer);
        housekeeper_stop(s->housekeeper);
        rescuer_stop(s->rescuer);
        herald_stop(s->herald);
        clerk_stop(s->clerk);
    }
}

static void tick(void *arg)
{
    struct lease *l = arg;

    l->timer = NULL;
    if (l->held && clock_mono_ms() - l->renewed_ms >= l->s->cfg->scheduler_lease_ms)
        set_held(l, false);
    lease_ask(l);
}

static void again(struct lease *l)
{
    loop_cancel(&l->timer);
    l->timer = loop_after(l->s->loop, l->s->cfg->scheduler_lease_ms / 3, tick, l);
}

static void lease_on_answer(void *arg, const struct reply *reply, const struct err *err)
{
    struct lease *l = arg;

    l->asking = false;
    if (!reply) {
        if (err->kind == ERR_REDIS)
            log_err(LOG_ERROR, "lease.refused", err);
        return;
    }
    if (reply_is(reply, "held") || reply_is(reply, "taken")) {
        l->renewed_ms = l->asked_ms;
        set_held(l, true);
    } else {
        set_held(l, false);
    }
}

static void send_lease(struct lease *l, int64_t ms, redis_cb *cb)
{
    struct redis_args a;

    redis_args_make(&a, key(&l->s->keys, KEY_LEASE), l->token, ms);
    redis_script(l->s->redis, script(SCRIPT_LEASE), 1, &a, cb, l);
}

static void lease_ask(struct lease *l)
{
    again(l);
    if (l->asking || !redis_is_ready(l->s->redis))
        return;
    l->asking = true;
    l->asked_ms = clock_mono_ms();
    send_lease(l, l->s->cfg->scheduler_lease_ms, lease_on_answer);
}

struct lease *lease_new(struct scheduler *s)
{
    struct lease *l = xcalloc(1, sizeof *l);

    l->s = s;
    random_hex(l->token, TOKEN / 2);
    snprintf(l->token + TOKEN - NUMBER, NUMBER + 1, "%08x", 0U);
    again(l);
    return l;
}

void lease_free(struct lease *l)
{
    if (!l)
        return;
    loop_cancel(&l->timer);
    free(l);
}

bool lease_is_held(const struct lease *l) { return l && l->held; }
const char *lease_token(const struct lease *l) { return l->token; }

void lease_on_ready(struct lease *l)
{
    snprintf(l->token + TOKEN - NUMBER, NUMBER + 1, "%08x", ++l->connection);
    lease_ask(l);
}

void lease_lost(struct lease *l) { set_held(l, false); }

void lease_release(struct lease *l)
{
    if (!l->held)
        return;
    set_held(l, false);
    send_lease(l, 0, NULL);
    for (int i = 0; i < 20 && redis_outstanding(l->s->redis) > 0; i++)
        loop_turn(l->s->loop, 10);
}
