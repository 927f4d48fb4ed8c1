/* heartbeat.c - tells the fleet that this process lives, and hears back.
 *
 * Every heartbeat_ms one script call writes this worker's entry, a document
 * with a counter, and returns what it must know: cancelled jobs, wanted
 * numbers of processes, stopped keys.  `gone` means that it was reaped. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/core/clock.h"
#include "common/core/json.h"
#include "common/core/log.h"
#include "common/core/parse.h"
#include "common/core/xalloc.h"
#include "common/queue/scripts.h"
#include "worker/process.h"
#include "worker/route/health.h"
#include "worker/route/market.h"
#include "worker/route/stops.h"
#include "worker/run.h"

struct heartbeat {
    struct process *p;
    struct loop_timer *timer;
    int64_t counter;
    int64_t sent_ms, acked_ms; /* monotonic; acked: when the last acknowledged one was sent */
    bool waiting;
    char host[65];
};

struct sent {
    struct heartbeat *h;
    int64_t at_ms;
    char id[WORKER_ID_MAX];
};

static void beat(void *arg);

static void write_what(struct heartbeat *h, struct buf *b)
{
    const struct process *p = h->p;

    buf_putc(b, '{');
    json_add_int(b, "n", ++h->counter);
    json_add_str(b, "host", h->host);
    json_add_int(b, "pid", getpid());
    json_add_str(b, "group", p->env.group->name);
    json_add_int(b, "slots", p->env.group->concurrency);
    json_add_int(b, "running", (int64_t)p->running);
    json_add_int(b, "started_at", p->started_ms);
    json_add_bool(b, "draining", p->draining);
    json_add_str(b, "version", FLOTILLA_VERSION);
    buf_putc(b, '}');
}

static void hear_cancels(struct process *p, const struct reply *ids)
{
    for (size_t i = 0; i < reply_count(ids); i++) {
        struct span id = reply_span(reply_at(ids, i));
        char text[96];
        struct run *r;

        if (id.n >= sizeof text)
            continue;
        memcpy(text, id.p, id.n);
        text[id.n] = '\0';
        r = run_find(p, text);
        if (r)
            run_cancel(r);
    }
}

/* Never 0: with no process nobody would hear the next number. */
static void hear_scale(struct process *p, const struct reply *pairs)
{
    for (size_t i = 0; i + 1 < reply_count(pairs); i += 2) {
        struct span group = reply_span(reply_at(pairs, i)), n = reply_span(reply_at(pairs, i + 1));
        int64_t v;

        if (group.n == strlen(p->env.group->name) &&
            !memcmp(group.p, p->env.group->name, group.n) && parse_int64(n.p, n.n, 1, 256, &v))
            child_tell_scale(p->child, p->env.group->name, v);
    }
}

static void on_answer(void *arg, const struct reply *reply, const struct err *err)
{
    struct sent *s = arg;
    struct heartbeat *h = s->h;
    struct process *p = h->p;
    bool mine = strcmp(s->id, p->env.id) == 0;
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
        process_gone(p);
        return;
    }
    h->acked_ms = at;
    if (!p->registered) {
        p->registered = true;
        child_tell_id(p->child, p->env.id);
        log_event(LOG_INFO, "registered", "group=%s slots=%lld", p->env.group->name,
                  (long long)p->env.group->concurrency);
    }
    hear_cancels(p, reply_at(reply, 2));
    hear_scale(p, reply_at(reply, 3));
    stops_hear(p->stops, reply_at(reply, 4), reply_int(reply_at(reply, 1)));
    market_hear(p->market, reply_at(reply, 5), reply_span(reply_at(reply, 6)));
    run_requeue_slotless(p);
    process_kick(p);
}

static void send(struct heartbeat *h)
{
    struct process *p = h->p;
    struct buf what = BUF(1024);
    struct sent *s = xcalloc(1, sizeof *s);

    write_what(h, &what);
    h->waiting = true;
    h->sent_ms = clock_mono_ms();
    s->h = h;
    s->at_ms = h->sent_ms;
    memcpy(s->id, p->env.id, sizeof s->id);
    work_heartbeat(p->env.redis, &p->env.keys, p->env.id, buf_span(&what), !p->registered,
                   on_answer, s);
    buf_done(&what);
}

static void beat(void *arg)
{
    struct heartbeat *h = arg;

    h->timer = loop_after(h->p->env.loop, h->p->env.cfg->workers_heartbeat_ms, beat, h);
    child_beat(h->p->child);
    child_running(h->p->child, h->p->running);
    if (!h->waiting && !h->p->fenced && redis_is_ready(h->p->env.redis))
        send(h);
    health_sync(h->p->health); /* in the same write */
}

struct heartbeat *heartbeat_new(struct process *p)
{
    struct heartbeat *h = xcalloc(1, sizeof *h);

    h->p = p;
    h->acked_ms = clock_mono_ms();
    gethostname(h->host, sizeof h->host - 1);
    h->timer = loop_after(p->env.loop, p->env.cfg->workers_heartbeat_ms, beat, h);
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
    if (!h->p->fenced && redis_is_ready(h->p->env.redis))
        send(h);
}

int64_t heartbeat_age_ms(const struct heartbeat *h) { return clock_mono_ms() - h->acked_ms; }

void heartbeat_leave(struct heartbeat *h)
{
    struct redis_args a;

    loop_cancel(&h->timer); /* another would be answered `gone`, and register anew */
    redis_args_init(&a);
    redis_arg_str(&a, key(&h->p->env.keys, KEY_LEASE));
    redis_arg_str(&a, key(&h->p->env.keys, KEY_WORKERS));
    keys_arg(&a, h->p->env.keys.active, h->p->env.id);
    keys_arg(&a, h->p->env.keys.calls, h->p->env.id);
    redis_arg_str(&a, ""); /* whoever holds the lease */
    redis_arg_str(&a, h->p->env.id);
    redis_arg_str(&a, "");
    redis_script(h->p->env.redis, script(SCRIPT_BURY), 4, &a, NULL, NULL);
}
