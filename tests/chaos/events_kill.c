/* events_kill.c - processes die, or stand still for a while, some longer than their lease (2 s). */
#include <signal.h>

#include "tests/chaos/events.h"

enum { PIDS_MAX = 64 };

static struct program **any_supervisor(struct round *r, struct dice *d)
{
    return &r->supervisors[dice_below(d, SUPERVISORS)];
}

/* A worker process of any supervisor; 0 when it has none now. */
static pid_t any_worker(struct round *r, struct dice *d)
{
    pid_t pids[PIDS_MAX];
    size_t n = world_worker_pids(*any_supervisor(r, d), pids, PIDS_MAX);

    return n ? pids[dice_below(d, (int64_t)n)] : 0;
}

/* ---- SIGKILL ---------------------------------------------------------------- */
void event_kill_worker(struct round *r, struct dice *d)
{
    pid_t pid = any_worker(r, d);

    if (pid)
        cast_kill(r, ROLE_WORKER, pid);
}

static void kill_workers_of(struct round *r, const struct program *supervisor)
{
    pid_t pids[PIDS_MAX];
    size_t n = program_children(supervisor->pid, pids, PIDS_MAX);

    for (size_t i = 0; i < n; i++)
        cast_kill(r, ROLE_WORKER, pids[i]);
}

void event_kill_all_workers(struct round *r, struct dice *d)
{
    kill_workers_of(r, *any_supervisor(r, d));
}

void event_kill_supervisor(struct round *r, struct dice *d)
{
    struct program *p = *any_supervisor(r, d);

    cast_orphan(r, p);
    cast_kill(r, ROLE_SUPERVISOR, p->pid);
}

void event_kill_host(struct round *r, struct dice *d)
{
    struct program *p = *any_supervisor(r, d);

    kill(p->pid, SIGSTOP); /* it shall replace nobody */
    kill_workers_of(r, p);
    cast_kill(r, ROLE_SUPERVISOR, p->pid);
}

static void kill_scheduler(struct round *r, int64_t i)
{
    cast_kill(r, ROLE_SCHEDULER, r->schedulers[i]->pid);
}

void event_kill_scheduler(struct round *r, struct dice *d)
{
    kill_scheduler(r, dice_below(d, SCHEDULERS));
}

void event_kill_schedulers(struct round *r, struct dice *d)
{
    (void)d;
    for (int i = 0; i < SCHEDULERS; i++)
        kill_scheduler(r, i);
}

void event_kill_redis(struct round *r, struct dice *d)
{
    if (r->redis_away)
        return;
    r->redis_away = true;
    r->counts.kills[ROLE_REDIS]++;
    world_redis_kill(r->w);
    chaos_undo_in(r, dice_percent(d, 50) ? 0 : dice_between(d, 1, 3000), cast_redis_back, 0);
}

static void reachable(struct round *r, int64_t provider)
{
    cutter_pass(provider ? r->provider.net : r->receiver.net);
}

void event_kill_provider(struct round *r, struct dice *d)
{
    cast_replace(r, &r->provider);
    chaos_undo_in(r, dice_between(d, 0, 1500), reachable, 1);
}

void event_kill_receiver(struct round *r, struct dice *d)
{
    cast_replace(r, &r->receiver);
    chaos_undo_in(r, dice_between(d, 0, 1500), reachable, 0);
}

/* ---- SIGSTOP ---------------------------------------------------------------- */
static void go_on(struct round *r, int64_t pid)
{
    (void)r;
    kill((pid_t)pid, SIGCONT);
}

static void stop_for(struct round *r, pid_t pid, int64_t ms)
{
    if (!pid || kill(pid, SIGSTOP))
        return;
    r->counts.stops++;
    chaos_undo_in(r, ms, go_on, pid);
}

void event_stop_worker(struct round *r, struct dice *d)
{
    pid_t pid = any_worker(r, d);

    stop_for(r, pid, dice_between(d, 100, 5000));
}

void event_stop_scheduler(struct round *r, struct dice *d)
{
    struct program *p = r->schedulers[dice_below(d, SCHEDULERS)];

    stop_for(r, p->pid, dice_between(d, 100, 3000));
}

static void redis_goes_on(struct round *r, int64_t pid)
{
    kill((pid_t)pid, SIGCONT);
    if (r->w->redis && r->w->redis->pid == pid)
        r->redis_away = false;
}

void event_stop_redis(struct round *r, struct dice *d)
{
    if (r->redis_away)
        return;
    r->redis_away = true;
    r->counts.stops++;
    kill(r->w->redis->pid, SIGSTOP);
    chaos_undo_in(r, dice_between(d, 50, 4500), redis_goes_on, r->w->redis->pid);
}

static void provider_goes_on(struct round *r, int64_t pid)
{
    kill((pid_t)pid, SIGCONT);
    if (r->provider.program->pid == pid)
        r->provider.away = false;
}

void event_stop_provider(struct round *r, struct dice *d)
{
    if (r->provider.away)
        return;
    r->provider.away = true;
    r->counts.stops++;
    kill(r->provider.program->pid, SIGSTOP);
    chaos_undo_in(r, dice_between(d, 50, 3000), provider_goes_on, r->provider.program->pid);
}

/* ---- what a deploy does ----------------------------------------------------- */
/* It leaves by itself; meanwhile its successor runs. */
void event_term_supervisor(struct round *r, struct dice *d)
{
    int64_t i = dice_below(d, SUPERVISORS);

    cast_orphan(r, r->supervisors[i]);
    program_signal(r->supervisors[i], SIGTERM);
    cast_new_supervisor(r, (int)i);
}

void event_term_scheduler(struct round *r, struct dice *d)
{
    int64_t i = dice_below(d, SCHEDULERS);

    program_signal(r->schedulers[i], SIGTERM);
    cast_new_scheduler(r, (int)i);
}

void event_roll_back(struct round *r, struct dice *d)
{
    if (!r->redis_away)
        rollback(r, (int)dice_between(d, 1, dice_percent(d, 50) ? 5 : 300));
}
