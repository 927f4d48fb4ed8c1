/* strays.c - see strays.h.
 *
 * A start whose answer was lost is sent again, so there should be none.  But
 * when Redis itself forgot its last second (a failover, a truncated append-only
 * file) an ended job may be active again, and would be stuck for ever: the look
 * at the active set, after each reconnect and once a minute, ends here.  Its
 * call may have been made, and its cost forgotten, so it is flagged: as it was noted, or as the
 * dearest that the job may make. */
#include "worker/claims/strays.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "common/queue/ending.h"
#include "common/queue/notes.h"
#include "common/route/lost.h"
#include "worker/claims/outbox.h"

struct stray {
    const struct strays *of;
    char *id;
    struct notes notes;
};

/* The calls that it may have made: how many events *ret are; *guess is memory for one. */
static size_t lost_calls(struct stray *s, const struct record *rec, const struct job *job,
                         struct cost_event *guess, const struct cost_event **ret)
{
    const struct config *cfg = s->of->claimer->env->cfg;
    size_t n = notes_of_job(&s->notes, s->id, clock_wall_ms(), ret);

    if (n || !job->payload.p ||
        !cost_of_lost_job(guess, s->id, rec, job, &cfg->models, clock_wall_ms()))
        return n;
    route_lost(guess, job, cfg, s->of->routes);
    *ret = guess;
    return 1;
}

static void give_back(struct stray *s, const struct record *rec, const struct job *job)
{
    struct defer d = {.id = s->id, .held = rec, .next = *rec, .front = true};
    struct cost_event guess;

    d.cost_count = lost_calls(s, rec, job, &guess, &d.costs);
    log_event(LOG_WARN, "stray.given_back", "job=%s", s->id);
    outbox_defer(s->of->outbox, &d, NULL);
}

/* Somebody asked to cancel it: nothing but an ending is taken for it any more. */
static void end_cancelled(struct stray *s, const struct record *rec, const struct job *job,
                          struct span bytes)
{
    struct cost_event guess;
    struct err err = {0};
    struct ending e;
    struct result r;

    err_set(&err, ERR_CANCELLED, "cancelled while no worker had it in hand");
    result_from(&r, s->id, rec, job, bytes);
    r.status = JOB_STATE_CANCELLED;
    r.err = &err;
    r.finished_ms = clock_wall_ms();
    ending_make(&e, s->id, rec, job, &r, s->of->claimer->env->cfg->webhooks_output_bytes);
    e.finish.cost_count = lost_calls(s, rec, job, &guess, &e.finish.costs);
    log_event(LOG_WARN, "stray.cancelled", "job=%s", s->id);
    outbox_finish(s->of->outbox, &e.finish, NULL);
    ending_done(&e);
}

static void on_record(void *arg, const struct reply *reply, const struct err *err)
{
    struct stray *s = arg;
    const struct claimer *h = s->of->claimer;
    struct span bytes = reply_span(reply);
    struct record rec;
    struct job job;

    (void)err;
    if (bytes.p && record_read(bytes.p, bytes.n, &rec) && rec.state == JOB_STATE_ACTIVE &&
        !strncmp(rec.token, work_tag(h->env->id), WORKER_TAG) && !h->ops->has(h, s->id)) {
        if (!job_read(record_doc(&rec, bytes.p, bytes.n), h->defaults, &job))
            job = (struct job){.type = rec.type};
        if (rec.cancel_asked)
            end_cancelled(s, &rec, &job, bytes);
        else
            give_back(s, &rec, &job);
    }
    notes_done(&s->notes);
    free(s->id);
    free(s);
}

static void on_notes(void *arg, const struct reply *reply, const struct err *err)
{
    struct stray *s = arg;

    (void)err;
    notes_read(&s->notes, reply);
}

void strays_give_back(const struct strays *of, const char *id)
{
    struct stray *s = xcalloc(1, sizeof *s);
    const struct env *e = of->claimer->env;
    struct redis_args a;

    s->of = of;
    s->id = xstrdup(id);
    redis_args_make(&a, "HGETALL", key_word(e->keys.calls, e->id));
    redis_send(e->redis, &a, on_notes, s);
    redis_args_make(&a, "GET", key_word(e->keys.job, id));
    redis_send(e->redis, &a, on_record, s);
}
