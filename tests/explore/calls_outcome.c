/* calls_outcome.c - how a job is let go: the structs of settle.h are filled as
 * worker/run_outcome.c, worker/claims/strays.c and scheduler/cli/change.c fill them.
 * See calls.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/queue/ending.h"
#include "common/queue/notes.h"
#include "common/queue/scripts.h"
#include "common/route/lost.h"
#include "tests/explore/calls_private.h"
#include "tests/explore/wire.h"

/* ---- outcomes ---- */

static const struct {
    const char *text;
    bool paid;
} outcomes[] = {
#define X(NAME, letter, text, paid) {text, paid},
#include "tests/explore/outcomes.def"
};

const char *outcome_text(enum outcome o) { return outcomes[o].text; }
bool outcome_is_paid(enum outcome o) { return outcomes[o].paid; }
bool outcome_is_finish(enum outcome o)
{
    return o == OUT_DONE || o == OUT_DIE || o == OUT_CANCELLED || o == OUT_STRAY_END;
}

struct scene {
    struct record held;
    struct job job;
    struct span bytes; /* of the record */
    char memory[4096];
    struct cost_event cost;
    size_t cost_count;
};

static void scene_of(struct scene *s, const struct call *c)
{
    const char *doc = job_docs[c->jobs];
    size_t n = strlen(doc);

    memcpy(s->memory, header_of(c->held), RECORD_HEADER);
    memcpy(s->memory + RECORD_HEADER, doc, n + 1);
    s->bytes = (struct span){s->memory, RECORD_HEADER + n};
    s->cost_count = 0;
    if (!record_read(s->bytes.p, s->bytes.n, &s->held) ||
        !job_read((struct span){s->memory + RECORD_HEADER, n}, calls_defaults(), &s->job))
        abort();
}

static void pay(struct scene *s, const struct call *c)
{
    s->cost = (struct cost_event){.job_id = job_ids[c->jobs],
                                  .root_id = job_ids[c->jobs],
                                  .attempt = s->held.attempts + 1,
                                  .type = s->held.type,
                                  .provider = "together",
                                  .model = {"m", 1},
                                  .requested_model = {"m", 1},
                                  .cost = {.cost_nanousd = 100},
                                  .at_ms = wall_ms};
    if (c->docs[0])
        hold_name_of(s->cost.note, c, c->docs[0]);
    cost_name_event(&s->cost, &s->held, c->n);
    s->cost_count = 1;
}

void outcome_note(const struct call *c, struct buf *out)
{
    struct scene s;

    scene_of(&s, c);
    pay(&s, c);
    s.cost.cost = (struct cost){.estimate_nanousd = WORST_NANOUSD, .flags = COST_UNCONFIRMED};
    note_write(&s.cost, &s.held, c->n, out);
}

static void lose(struct scene *s, const struct call *c)
{
    if (!cost_of_lost_job(&s->cost, job_ids[c->jobs], &s->held, &s->job, &calls_config()->models,
                          wall_ms))
        return;
    route_lost(&s->cost, &s->job, calls_config(), calls_routes());
    s->cost_count = 1;
}

static void end(const struct scene *s, const struct call *c, const struct settle_who *who,
                enum job_state status, int attempts)
{
    struct settle *batch = settle_new(SETTLE_FINISH);
    struct err err = {0};
    struct ending e;
    struct result r;

    err_set(&err, ERR_CANCELLED, "explored");
    result_from(&r, job_ids[c->jobs], &s->held, &s->job, s->bytes);
    r.status = status;
    r.attempts = attempts;
    r.err = status == JOB_STATE_COMPLETED ? NULL : &err;
    r.finished_ms = wall_ms;
    ending_make(&e, job_ids[c->jobs], &s->held, &s->job, &r, calls_config()->webhooks_output_bytes);
    e.finish.costs = &s->cost;
    e.finish.cost_count = s->cost_count;
    settle_finish(batch, &e.finish, NULL);
    settle_send(batch, WIRE, who, NULL, NULL);
    ending_done(&e);
    settle_free(batch);
}

static void put_aside(const struct scene *s, const struct call *c, const struct settle_who *who)
{
    struct settle *batch = settle_new(SETTLE_DEFER);
    struct defer d = {.id = job_ids[c->jobs],
                      .held = &s->held,
                      .next = s->held,
                      .front = true,
                      .costs = &s->cost,
                      .cost_count = s->cost_count};

    if (c->what == OUT_RETRY) {
        d.next.attempts++;
        d.next.parked_ms = 0;
        d.front = false;
        d.delay_ms = DELAY_MS;
    } else if (c->what == OUT_MOVE) {
        d.next.started_ms = 0;
        d.next.queue = d.next.queue == queue_ids[0] ? queue_ids[1] : queue_ids[0];
        d.front = false;
    } else if (c->what == OUT_PUT_OFF) {
        d.next.parks++;
        d.delay_ms = DELAY_MS;
    }
    settle_defer(batch, &d, NULL);
    settle_send(batch, WIRE, who, NULL, NULL);
    settle_free(batch);
}

static void tell(const struct scene *s, const struct call *c, const struct settle_who *who)
{
    struct settle *batch = settle_new(SETTLE_TELL);
    const struct tell t = {
        .id = job_ids[c->jobs], .held = &s->held, .costs = &s->cost, .cost_count = s->cost_count};

    settle_tell(batch, &t, NULL);
    settle_send(batch, WIRE, who, NULL, NULL);
    settle_free(batch);
}

static struct settle_who who_is(const char *worker, const char *lease)
{
    return (struct settle_who){.keys = &keys,
                               .worker = worker,
                               .lease = lease,
                               .ids_ms = calls_config()->retention_ids_ms,
                               .dead_ms = calls_config()->retention_dead_ms,
                               .reply_ms = calls_config()->limits_reply_ttl_ms};
}

void send_outcome(const struct call *c)
{
    const struct settle_who who = who_is(worker_ids[c->who], NULL);
    struct scene s;

    scene_of(&s, c);
    if (c->n)
        pay(&s, c);
    if (c->what == OUT_STRAY_BACK)
        lose(&s, c);
    if (c->what == OUT_TELL)
        tell(&s, c, &who);
    else if (c->what == OUT_DONE)
        end(&s, c, &who, JOB_STATE_COMPLETED, s.held.attempts + 1);
    else if (c->what == OUT_DIE)
        end(&s, c, &who, JOB_STATE_FAILED, s.held.attempts + 1);
    else if (outcome_is_finish((enum outcome)c->what))
        end(&s, c, &who, JOB_STATE_CANCELLED, s.held.attempts);
    else
        put_aside(&s, c, &who);
}
/* ---- operators, and the scheduler that expires ---- */

void send_end(const struct call *c)
{
    const struct settle_who who = who_is(NULL, c->n ? leases[c->n] : NULL);
    struct scene s;

    scene_of(&s, c);
    end(&s, c, &who, c->n ? JOB_STATE_EXPIRED : JOB_STATE_CANCELLED, s.held.attempts);
}

/* As scheduler/cli/change.c makes it. */
void send_replay(const struct call *c)
{
    char header[RECORD_HEADER], claim[RECORD_CLAIM + 1];
    const char *doc = job_docs[c->jobs];
    struct redis_args a;
    struct scene s;

    scene_of(&s, c);
    s.held.state = JOB_STATE_READY;
    s.held.tnum = record_next_tnum(s.held.tnum);
    s.held.run++;
    s.held.attempts = s.held.crashes = s.held.parks = 0;
    s.held.started_ms = s.held.parked_ms = s.held.expires_ms = s.held.due_ms = 0;
    s.held.step[0] = '\0';
    memset(s.held.token, '0', RECORD_TOKEN);
    record_write(&s.held, header);
    claim_of(claim, c->held);
    redis_args_init(&a);
    redis_arg_str(&a, key(&keys, KEY_DEAD));
    keys_arg_queues(&a, &keys);
    keys_arg(&a, keys.job, job_ids[c->jobs]);
    redis_arg_str(&a, job_ids[c->jobs]);
    redis_arg_str(&a, claim);
    redis_arg_int(&a, (int64_t)s.held.queue);
    redis_arg_pieces(&a, (const struct span[]){{header, RECORD_HEADER}, {doc, strlen(doc)}}, 2);
    redis_script(WIRE, script(SCRIPT_REPLAY), 18, &a, NULL, NULL);
}
