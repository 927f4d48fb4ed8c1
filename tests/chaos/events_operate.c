/* events_operate.c - what people do meanwhile: by the command line, over the same bad network. */
#include <signal.h>

#include "tests/chaos/events.h"
#include "tests/support/look.h"

/* Whether it succeeds depends on the network; that it ends does not. */
static void command(struct round *r, const char *name, const char *what)
{
    static const char *const known[] = {"FLOTILLA_REDIS_COMMAND_TIMEOUT_MS=500",
                                        "FLOTILLA_REDIS_CONNECT_TIMEOUT_MS=500", NULL};
    const char *const args[] = {name, what, NULL};
    struct program *p = world_start(r->w, "flotilla", args, known);

    p->may_end = true;
}

void event_cancel(struct round *r, struct dice *d)
{
    for (int64_t n = dice_between(d, 1, 4); n > 0; n--) {
        struct chaos_job *job = jobs_any(r, d);

        if (!job)
            return;
        job->cancelled = true;
        command(r, "cancel", job->id);
    }
}

void event_replay(struct round *r, struct dice *d)
{
    (void)d;
    for (size_t i = 0; i < r->job_count; i++)
        r->jobs[i].replayed = true;
    command(r, "retry", "--dead");
}

static const char *const queues[] = {"noop", "webhook", "inference.standard", "inference.realtime"};

static void resume(struct round *r, int64_t which) { command(r, "resume", queues[which]); }

void event_pause(struct round *r, struct dice *d)
{
    int64_t which = dice_below(d, ARRAY_LEN(queues));

    command(r, "pause", queues[which]);
    chaos_undo_in(r, dice_between(d, 100, 3000), resume, which);
}

void event_scale(struct round *r, struct dice *d)
{
    command(r, "scale", world_text(r->w, "%d", (int)dice_between(d, 1, 4)));
}

/* Before it says that it has started it may not be a program of ours yet. */
static void reload(struct program *p)
{
    if (look_logged(p, "event=started"))
        program_signal(p, SIGHUP);
}

void event_reload(struct round *r, struct dice *d)
{
    cast_config(r, d);
    for (int i = 0; i < SCHEDULERS; i++)
        reload(r->schedulers[i]);
    for (int i = 0; i < SUPERVISORS; i++)
        reload(r->supervisors[i]);
}

/* None of these holds a job or money. */
void event_lose_keys(struct round *r, struct dice *d)
{
    static const char *const keys[] = {"bucket", "health",  "cached",    "cached:bytes",
                                       "stops",  "errands", "catalogues"};

    for (int64_t n = dice_between(d, 1, 3); n > 0 && !r->redis_away; n--)
        world_redis_try(r->w, "DEL fl:{0}:%s", keys[dice_below(d, ARRAY_LEN(keys))]);
}
