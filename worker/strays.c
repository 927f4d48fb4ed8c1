/* strays.c - see strays.h.
 *
 * A start whose answer was lost is sent again, so there should be none.  But
 * when Redis itself forgot its last second (a failover, a truncated append-only
 * file) an ended job may be active again, and would be stuck for ever: the look
 * at the active set, after each reconnect and once a minute, ends here.  Its
 * call may have been made, and its cost forgotten, so it is flagged. */
#include "worker/strays.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "common/queue/ending.h"
#include "common/route/lost.h"
#include "worker/outbox.h"
#include "worker/process.h"
#include "worker/run.h"

struct stray {
    struct process *p;
    char *id;
};

static void give_back(struct process *p, const char *id, const struct record *rec,
                      struct span bytes)
{
    struct defer d = {.id = id, .held = rec, .next = *rec, .front = true};
    struct cost_event lost;
    struct job job;

    if (job_read(record_doc(rec, bytes.p, bytes.n), &p->defaults, &job) &&
        cost_of_lost_job(&lost, id, rec, &job, &p->cfg->models, clock_wall_ms())) {
        route_lost(&lost, &job, p->cfg, p->routes);
        d.costs = &lost;
        d.cost_count = 1;
    }
    log_event(LOG_WARN, "stray.given_back", "job=%s", id);
    outbox_defer(p->outbox, &d, NULL);
}

/* Somebody asked to cancel it: nothing but an ending is taken for it any more. */
static void end_cancelled(struct process *p, const char *id, const struct record *rec,
                          struct span bytes)
{
    struct err err = {0};
    struct ending e;
    struct result r;
    struct job job;

    if (!job_read(record_doc(rec, bytes.p, bytes.n), &p->defaults, &job))
        job = (struct job){.type = rec->type};
    err_set(&err, ERR_CANCELLED, "cancelled while no worker had it in hand");
    result_from(&r, id, rec, &job, bytes);
    r.status = JOB_STATE_CANCELLED;
    r.err = &err;
    r.finished_ms = clock_wall_ms();
    ending_make(&e, id, rec, &job, &r, p->cfg->webhooks_output_bytes);
    log_event(LOG_WARN, "stray.cancelled", "job=%s", id);
    outbox_finish(p->outbox, &e.finish, NULL);
    ending_done(&e);
}

static void on_record(void *arg, const struct reply *reply, const struct err *err)
{
    struct stray *s = arg;
    struct span bytes = reply_span(reply);
    struct record rec;

    (void)err;
    if (bytes.p && record_read(bytes.p, bytes.n, &rec) && rec.state == JOB_STATE_ACTIVE &&
        !strncmp(rec.token, work_tag(s->p->id), WORKER_TAG) && !run_find(s->p, s->id))
        (rec.cancel_asked ? end_cancelled : give_back)(s->p, s->id, &rec, bytes);
    free(s->id);
    free(s);
}

void strays_give_back(struct process *p, const char *id)
{
    struct stray *s = xcalloc(1, sizeof *s);
    struct redis_args a;

    s->p = p;
    s->id = xstrdup(id);
    redis_args_init(&a);
    redis_arg_str(&a, "GET");
    keys_arg(&a, p->keys.job, id);
    redis_send(p->redis, &a, on_record, s);
}
