/* heartbeat.c - shows the fleet that this process lives, and reads the answer.
 *
 * Every heartbeat_ms one script call writes this worker's entry, a document
 * with a counter, and returns what it must know: cancelled jobs, wanted
 * numbers of processes, stopped keys, and the health of the routes while one is
 * out.  `gone` means that it was reaped. */
#include "worker/claims/heartbeat.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/core/clock.h"
#include "common/core/json.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "common/queue/scripts.h"
#include "worker/child.h"

struct heartbeat {
    struct claimer *claimer;
    void (*on_beat)(void *arg);
    void *arg;
    struct loop_timer *timer;
    int64_t counter;
    int64_t sent_ms, acked_ms; /* monotonic; acked: when the last acknowledged one was sent */
    bool waiting;
    char hostname[65];
};

struct sent {
    struct heartbeat *h;
    int64_t at_ms;
    char id[WORKER_ID_MAX];
};

static void beat(void *arg);

static void write_what(struct heartbeat *h, struct buf *b)
{
    const struct claimer *o = h->claimer;

    buf_putc(b, '{');
    json_add_int(b, "n", ++h->counter);
    json_add_str(b, "host", h->hostname);
    json_add_int(b, "pid", getpid());
    json_add_str(b, "group", o->env->group->name);
    json_add_int(b, "slots", o->env->group->concurrency);
    json_add_int(b, "running", (int64_t)o->slots->running);
    json_add_int(b, "started_at", o->started_ms);
    json_add_bool(b, "draining", o->draining);
    json_add_str(b, "version", FLOTILLA_VERSION);
    buf_putc(b, '}');
}

static void heartbeat_on_answer(void *arg, const struct reply *reply, const struct err *err)
{
    struct sent *s = arg;
    struct heartbeat *h = s->h;
    struct claimer *o = h->claimer;
    bool mine = strcmp(s->id, o->env->id) == 0;
    int64_t at = s->at_ms;

    free(s);
    h->waiting = false;
    if (!reply) {
        if (err->kind == ERR_REDIS)
            log_err(LOG_WARN, "heartbeat", err);
        return;
    }
    if (!mine)
        return;
    if (work_is_gone(reply)) {
        claimer_gone(o);
        return;
    }
    h->acked_ms = at;
    if (!o->registered) {
        o->registered = true;
        child_tell_id(o->child, o->env->id);
        log_event(LOG_INFO, "registered", "group=%s slots=%lld", o->env->group->name,
                  (long long)o->env->group->concurrency);
    }
    o->ops->heard(o, reply);
    claimer_kick(o);
}

static void heartbeat_send(struct heartbeat *h)
{
    struct claimer *o = h->claimer;
    struct buf what = BUF(1024);
    struct sent *s = xcalloc(1, sizeof *s);

    write_what(h, &what);
    h->waiting = true;
    h->sent_ms = clock_mono_ms();
    s->h = h;
    s->at_ms = h->sent_ms;
    memcpy(s->id, o->env->id, sizeof s->id);
    work_heartbeat(o->env->redis, &o->env->keys,
                   &(struct work_heartbeat){.worker = o->env->id,
                                            .what = buf_span(&what),
                                            .first = !o->registered,
                                            .health = o->ops->wants_health(o)},
                   heartbeat_on_answer, s);
    buf_done(&what);
}

static void beat(void *arg)
{
    struct heartbeat *h = arg;

    h->timer =
        loop_after(h->claimer->env->loop, h->claimer->env->cfg->workers_heartbeat_ms, beat, h);
    child_beat(h->claimer->child);
    child_running(h->claimer->child, h->claimer->slots->running);
    if (!h->waiting && !h->claimer->fenced && redis_is_ready(h->claimer->env->redis))
        heartbeat_send(h);
    h->on_beat(h->arg);
}

struct heartbeat *heartbeat_new(struct claimer *o, void (*on_beat)(void *arg), void *arg)
{
    struct heartbeat *h = xcalloc(1, sizeof *h);

    h->claimer = o;
    h->on_beat = on_beat;
    h->arg = arg;
    h->acked_ms = clock_mono_ms();
    gethostname(h->hostname, sizeof h->hostname - 1);
    h->timer = loop_after(o->env->loop, o->env->cfg->workers_heartbeat_ms, beat, h);
    return h;
}

void heartbeat_free(struct heartbeat *h)
{
    if (!h)
        return;
    loop_cancel(&h->timer);
    free(h);
}

void heartbeat_now(struct heartbeat *h)
{
    if (!h->claimer->fenced && redis_is_ready(h->claimer->env->redis))
        heartbeat_send(h);
}

int64_t heartbeat_age_ms(const struct heartbeat *h) { return clock_mono_ms() - h->acked_ms; }

void heartbeat_leave(struct heartbeat *h)
{
    struct redis_args a;

    loop_cancel(&h->timer); /* another would be answered `gone`, and register again */
    redis_args_make(&a, key(&h->claimer->env->keys, KEY_LEASE),
                    key(&h->claimer->env->keys, KEY_WORKERS),
                    key_word(h->claimer->env->keys.active, h->claimer->env->id),
                    key_word(h->claimer->env->keys.calls, h->claimer->env->id));
    redis_arg_str(&a, ""); /* no lease is asked for */
    redis_args_add(&a, h->claimer->env->id, "");
    redis_script(h->claimer->env->redis, script(SCRIPT_BURY), 4, &a, NULL, NULL);
}
