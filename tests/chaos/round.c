/* round.c - one round: start, disorder by plan, settle, checks.
 *
 * Undos are what an event left to be done later; they run in their time between
 * two steps, and all of them before everything settles. */
#include <check.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "tests/chaos/chaos.h"

enum { LOOK_MS = 10 };

/* ---- the log of the round --------------------------------------------------- */
void chaos_note(struct round *r, const char *fmt, ...)
{
    struct timespec now;
    struct tm day;
    char at[32];
    va_list ap;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &day);
    strftime(at, sizeof at, "%H:%M:%S", &day);
    fprintf(r->log, "%s.%03ld ", at, now.tv_nsec / 1000000);
    va_start(ap, fmt);
    vfprintf(r->log, fmt, ap);
    va_end(ap);
    fputc('\n', r->log);
    fflush(r->log);
}

/* ---- undos ------------------------------------------------------------------ */
void chaos_undo_in(struct round *r, int64_t ms, void (*run)(struct round *, int64_t), int64_t what)
{
    if (r->undo_count == UNDOS_MAX)
        chaos_undo_due(r, true);
    r->undos[r->undo_count++] = (struct undo){now_ms() + ms, run, what};
}

void chaos_undo_due(struct round *r, bool all)
{
    for (size_t i = 0; i < r->undo_count;) {
        struct undo u = r->undos[i];

        if (!all && u.at_ms > now_ms()) {
            i++;
            continue;
        }
        r->undos[i] = r->undos[--r->undo_count];
        u.run(r, u.what);
        i = 0; /* it may have added others */
    }
}

/* ---- the plan is played ----------------------------------------------------- */
static void wait_until(struct round *r, int64_t at_ms)
{
    do {
        chaos_undo_due(r, false);
        cast_tend(r);
        jobs_push_backlog(r);
        if (now_ms() < at_ms)
            pause_ms((int)min64(LOOK_MS, at_ms - now_ms()));
    } while (now_ms() < at_ms);
}

static void play(struct round *r, const struct plan *plan)
{
    int64_t from = now_ms();

    for (size_t i = 0; i < plan->count; i++) {
        struct step step = plan->steps[i];

        wait_until(r, from + step.at_ms);
        if (!step.is_event) {
            jobs_push_new(r, (enum job_kind)step.what, &step.own);
            continue;
        }
        chaos_note(r, "%6lld ms %s", (long long)step.at_ms, events[step.what].name);
        r->counts.events++;
        events[step.what].run(r, &step.own);
    }
}

static void start(struct round *r, const struct chaos_options *o)
{
    *r = (struct round){.seed = o->seed, .number = o->round};
    r->dice.state = o->seed * 1000003u + (uint64_t)o->round;
    dice_u64(&r->dice);
    r->w = world_new_with(&(struct world_options){.test = "chaos", .appendfsync = "always"});
    r->log = fopen(world_text(r->w, "%s/chaos.log", r->w->dir), "we");
    if (!r->log)
        ck_abort_msg("no log in %s", r->w->dir);
    r->bill = json_object();
    r->deliveries = json_array();
    chaos_note(r, "seed %llu round %d", (unsigned long long)o->seed, o->round);
    cast_start(r);
}

static void count(struct round *r, struct counts *sum)
{
    int64_t *to = (int64_t *)sum;
    const int64_t *from = (const int64_t *)&r->counts;

    r->counts.cuts += cutter_stats(r->net).cuts + cutter_stats(r->provider.net).cuts +
                      cutter_stats(r->receiver.net).cuts;
    r->counts.jobs = (int64_t)r->job_count;
    r->counts.results = world_int(r->w, "XLEN fl:{0}:results");
    for (size_t i = 0; sum && i < sizeof *sum / sizeof *to; i++)
        to[i] += from[i];
}

void chaos_round(const struct chaos_options *options, struct counts *add_to)
{
    struct round round, *r = &round;
    struct plan plan;

    start(r, options);
    plan_make(&plan, &r->dice, &options->size);
    play(r, &plan);
    chaos_note(r, "the plan is played");
    settle(r);
    checks_run(r);
    count(r, add_to);
    chaos_note(r, "checked");
    cast_stop(r);
    chaos_note(r, "stopped");
    fclose(r->log);
    if (r->violations)
        ck_abort_msg("seed %llu, round %d: %d violations; chaos.log in %s tells what happened",
                     (unsigned long long)r->seed, r->number, r->violations, r->w->dir);
    cast_free(r);
    free(plan.steps);
    free(r->jobs);
    free(r->backlog);
    json_decref(r->bill);
    json_decref(r->deliveries);
    world_free(r->w);
}
