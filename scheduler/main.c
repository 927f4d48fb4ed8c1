/* flotilla-scheduler - the control plane.
 *
 * Takes documents from intake, stores and enqueues them, promotes due jobs,
 * recovers the jobs of dead workers, keeps everything bounded.  Run two or
 * more for failover: one holds the lease, the others stand by.
 *
 * TERM or INT: give the lease up and stop; HUP: reload; USR1: state to the log. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/program.h"
#include "common/core/log.h"
#include "scheduler/scheduler.h"

static void on_term(void *arg)
{
    struct scheduler *s = arg;

    log_event(LOG_INFO, "stopping", "reason=signal");
    loop_stop(s->loop);
}

static void on_hup(void *arg)
{
    struct scheduler *s = arg;

    program_reload(&s->cfg);
}

static void on_usr1(void *arg)
{
    struct scheduler *s = arg;

    log_event(LOG_INFO, "state", "lease=%d redis=%d outstanding=%zu", lease_is_held(s->lease),
              redis_is_ready(s->redis), redis_outstanding(s->redis));
}

int main(int argc, char **argv)
{
    struct scheduler s = {0};
    struct program p = {.name = "flotilla-scheduler",
                        .usage = "takes jobs in, enqueues them and keeps the queue in order"};
    struct err err = {0};
    int status = program_start(&p, argc, argv, &s.cfg);

    if (status >= 0)
        return status;
    s.loop = loop_new();
    if (!scheduler_start(&s, &err)) {
        log_err(LOG_ERROR, "start", &err);
        return 78;
    }
    loop_on_signal(s.loop, SIGTERM, on_term, &s);
    loop_on_signal(s.loop, SIGINT, on_term, &s);
    loop_on_signal(s.loop, SIGHUP, on_hup, &s);
    loop_on_signal(s.loop, SIGUSR1, on_usr1, &s);
    log_event(LOG_INFO, "started", "version=%s", FLOTILLA_VERSION);
    loop_run(s.loop);
    scheduler_stop(&s);
    loop_free(s.loop);
    program_end(s.cfg);
    return 0;
}
