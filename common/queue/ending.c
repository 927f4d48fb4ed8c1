/* ending.c - see ending.h.
 *
 * The id of the webhook's job is that of the job that ended and "~w"; a replay's has the run, too.
 * Producers may use an id again once its record is gone, and deliveries go on for
 * days: while the old one's record is there, the time of submission is added. */
#include "common/queue/ending.h"

#include <stdio.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/json.h"
#include "common/queue/webhook_job.h"

#define RESULT_MAX (512u << 20)

/* The result, without an output that is too large. */
static void write_data(struct buf *b, const struct result *r, struct span result,
                       int64_t output_max)
{
    struct result small = *r;

    if (r->output.n <= (size_t)output_max) {
        buf_add_span(b, result);
        return;
    }
    small.output = small.structured = (struct span){NULL, 0};
    result_write(&small, b);
    b->n--; /* the closing brace: one more member goes in */
    json_add_bool(b, "output_omitted", true);
    buf_putc(b, '}');
}

static void make_webhook(struct ending *e, const char *id, const struct job *job,
                         const struct result *r, int64_t output_max)
{
    if (r->run > 1)
        snprintf(e->webhook_id, sizeof e->webhook_id, "%.80s~w%d", id, r->run);
    else
        snprintf(e->webhook_id, sizeof e->webhook_id, "%.80s~w", id);
    snprintf(e->webhook_spare_id, sizeof e->webhook_spare_id, "%s.%llx", e->webhook_id,
             (unsigned long long)r->submitted_ms);
    webhook_job_begin(&e->webhook, job, r->status, r->finished_ms);
    write_data(&e->webhook, r, buf_span(&e->result), output_max);
    webhook_job_end(&e->webhook);
}

void ending_make(struct ending *e, const char *id, const struct record *held, const struct job *job,
                 const struct result *r, int64_t output_max)
{
    *e = (struct ending){0};
    buf_init(&e->result, RESULT_MAX);
    buf_init(&e->webhook, RESULT_MAX);
    result_write(r, &e->result);
    e->finish = (struct finish){
        .id = id,
        .held = held,
        .next = *held,
        .result = buf_span(&e->result),
        .publish = (job_type_flags(held->type) & JOB_PUBLIC) != 0,
        .dead = r->status == JOB_STATE_FAILED,
        .reply = job->reply,
    };
    e->finish.next.state = r->status;
    e->finish.next.attempts = r->attempts;
    if (e->finish.dead)
        e->finish.doc = job->doc;
    if (job->webhook_url.n && !json_absent(job->webhook_url)) {
        make_webhook(e, id, job, r, output_max);
        e->finish.webhook_id = e->webhook_id;
        e->finish.webhook_spare_id = e->webhook_spare_id;
        e->finish.webhook_record = buf_span(&e->webhook);
    }
}

void ending_done(struct ending *e)
{
    buf_done(&e->result);
    buf_done(&e->webhook);
}

void ending_by_death(struct settle *s, const struct ending_death *d)
{
    struct ending e;
    struct result r;
    struct err err = {0};

    err_set(&err, d->kind,
            d->kind == ERR_POISON ? "it crashed its worker %d times"
                                  : "cancelled while its worker died",
            d->crashes);
    result_from(&r, d->id, d->held, d->job, d->bytes);
    r.status = d->kind == ERR_POISON ? JOB_STATE_FAILED : JOB_STATE_CANCELLED;
    r.attempts = d->held->attempts + 1;
    r.err = &err;
    r.finished_ms = clock_wall_ms();
    ending_make(&e, d->id, d->held, d->job, &r, d->output_max);
    e.finish.next.crashes = d->crashes;
    e.finish.taken = true;
    e.finish.costs = d->costs;
    e.finish.cost_count = d->cost_count;
    settle_finish(s, &e.finish, NULL);
    ending_done(&e);
}
