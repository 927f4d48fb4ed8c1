/* settle.c - everything is set right, then nothing may be left to do. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/chaos/chaos.h"

/* A job that no list names is found by the nets, some of which look once a minute. */
enum { SETTLE_MS = 100000, LOOK_MS = 50, QUIET_LOOKS = 4, COMMANDS_MS = 30000 };

static int64_t length(struct round *r, const char *command, const char *pattern)
{
    redisReply *keys = world_redis(r->w, "KEYS %s", pattern);
    size_t count = keys->elements;
    const char **names = calloc(count + 1, sizeof *names);
    int64_t sum = 0;

    for (size_t i = 0; i < count; i++) /* replies are kept for some commands only */
        names[i] = world_text(r->w, "%s", keys->element[i]->str);
    for (size_t i = 0; i < count; i++)
        sum += world_int(r->w, world_text(r->w, "%s %%s", command), names[i]);
    free(names);
    return sum;
}

/* Jobs that something names, wherever. */
static int64_t named(struct round *r)
{
    return length(r, "LLEN", "fl:{0}:intake") + length(r, "LLEN", "fl:{0}:taken") +
           length(r, "LLEN", "fl:{0}:ready:*") + length(r, "ZCARD", "fl:{0}:delayed") +
           length(r, "SCARD", "fl:{0}:active:*");
}

static bool commands_ended(struct round *r)
{
    pid_t pids[256];
    size_t n = program_children(getpid(), pids, ARRAY_LEN(pids));

    for (size_t i = 0; i < n; i++) {
        char path[64], name[64] = "";
        FILE *in;

        snprintf(path, sizeof path, "/proc/%d/comm", (int)pids[i]);
        in = fopen(path, "re");
        if (in && fgets(name, sizeof name, in) && strcmp(name, "flotilla\n") == 0) {
            fclose(in);
            return false;
        }
        if (in)
            fclose(in);
    }
    (void)r;
    return true;
}

static void end_pauses(struct round *r)
{
    redisReply *paused = world_redis(r->w, "HKEYS fl:{0}:paused");

    for (size_t i = 0; i < paused->elements; i++) {
        struct cli cli = world_cli(r->w, "resume", paused->element[i]->str);

        if (cli.exit_code)
            violation(r, NULL, "flotilla resume: %d: %s", cli.exit_code, cli.err);
    }
}

static void set_right(struct round *r)
{
    int64_t until = now_ms() + patience_ms(COMMANDS_MS);

    chaos_undo_due(r, true);
    cast_redis_back(r, 0);
    cutter_pass(r->net);
    cutter_cut_after(r->net, 0);
    cast_replace(r, &r->provider);
    cast_replace(r, &r->receiver);
    cutter_cut_after(r->provider.net, 0);
    cutter_pass(r->provider.net);
    cutter_pass(r->receiver.net);
    cast_tend(r);
    while (!commands_ended(r) && now_ms() < until)
        pause_ms(LOOK_MS);
    if (!commands_ended(r))
        violation(r, NULL, "a command line still runs after %d ms", COMMANDS_MS);
    end_pauses(r);
}

void settle(struct round *r)
{
    int64_t from = now_ms(), until = from + patience_ms(SETTLE_MS), left = -1;

    set_right(r);
    for (int quiet = 0; quiet < QUIET_LOOKS && now_ms() < until; pause_ms(LOOK_MS)) {
        cast_tend(r);
        jobs_push_backlog(r);
        left = named(r) + (int64_t)r->backlog_count;
        if (left == 0 && world_int(r->w, "XLEN fl:{0}:results") >= (int64_t)r->job_count)
            quiet++;
        else
            quiet = 0;
    }
    chaos_note(r, "settled in %lld ms, %lld jobs left", (long long)(now_ms() - from),
               (long long)left);
    if (left)
        violation(r, NULL, "%lld jobs are left after %lld ms without any fault", (long long)left,
                  (long long)(now_ms() - from));
}
