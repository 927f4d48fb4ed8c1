/* noop.c - does nothing, through the very same scripts as the rest.
 *
 * payload.sleep_ms: time to wait; payload.result: the output (any JSON).
 *
 * With FLOTILLA_TEST_FAULTS=1 in the environment (never in production) a result
 * "crash", "abort" or "hang" makes the process do just that: for the tests of
 * what happens to the other jobs then. */
#include <signal.h>
#include <stdlib.h>

#include "common/core/json.h"
#include "common/core/xalloc.h"
#include "common/io/loop.h"
#include "worker/job_types.h"

struct noop {
    struct loop_timer *timer;
    struct span result;
};

static void misbehave(struct span result)
{
    const char *allowed = getenv("FLOTILLA_TEST_FAULTS");

    if (!allowed || allowed[0] != '1')
        return;
    if (json_equals(result, "crash"))
        raise(SIGSEGV);
    if (json_equals(result, "abort"))
        abort();
    while (json_equals(result, "hang"))
        ;
}

static void noop_on_timer(void *arg)
{
    struct run *r = arg;
    struct noop *n = r->state;
    RUN_SCOPE(r);

    n->timer = NULL;
    misbehave(n->result);
    run_done(r, n->result);
}

static void noop_start(struct run *r)
{
    struct span sleep = {NULL, 0}, result = {NULL, 0};
    const struct json_want wants[] = {{"sleep_ms", &sleep}, {"result", &result}};
    struct noop *n;
    int64_t ms = 0;

    if (!json_pick(r->job.payload.p, r->job.payload.n, wants, 2) ||
        (sleep.n && !json_read_int(sleep, &ms)) || ms <= 0) {
        misbehave(result);
        run_done(r, result);
        return;
    }
    n = xcalloc(1, sizeof *n);
    n->result = result;
    n->timer = loop_after(r->p->env.loop, ms, noop_on_timer, r);
    r->state = n;
}

static void abort_sleep(struct run *r)
{
    struct noop *n = r->state;

    if (n)
        loop_cancel(&n->timer);
}

static const struct step steps[] = {{"sleep", noop_start, abort_sleep}};
const struct job_type job_type_noop = {.steps = steps, .step_count = 1};
