/* look.c - see look.h.  Worker ids come from fl:{0}:workers, whose documents name the pid. */
#include "tests/support/look.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { WORKERS_MAX = 64 };

int look_logged(const struct program *p, const char *text)
{
    char *all = program_err(p);
    int n = 0;

    for (const char *at = all; (at = strstr(at, text)); at += strlen(text))
        n++;
    free(all);
    return n;
}

int64_t look_flagged(struct world *w, const char *flag)
{
    json_t *costs = world_costs(w), *cost, *one;
    int64_t n = 0;
    size_t i, k;

    json_array_foreach (costs, i, cost) {
        json_array_foreach (json_object_get(cost, "flags"), k, one) {
            n += strcmp(json_string_value(one), flag) == 0;
        }
    }
    return n;
}

int64_t look_held(struct world *w)
{
    redisReply *keys = world_redis(w, "KEYS fl:{0}:active:*");
    int64_t n = 0;

    for (size_t i = 0; i < keys->elements; i++)
        n += world_int(w, "SCARD %s", world_text(w, "%s", keys->element[i]->str));
    return n;
}

int64_t look_running(struct world *w)
{
    redisReply *all = world_redis(w, "HGETALL fl:{0}:workers");
    int64_t n = 0;

    for (size_t i = 0; i + 1 < all->elements; i += 2)
        n += world_int_at(world_json(w, all->element[i + 1]->str), "running");
    return n;
}

const char *look_worker(struct world *w, pid_t pid)
{
    redisReply *all = world_redis(w, "HGETALL fl:{0}:workers");

    for (size_t i = 0; i + 1 < all->elements; i += 2)
        if (world_int_at(world_json(w, all->element[i + 1]->str), "pid") == pid)
            return world_text(w, "%s", all->element[i]->str);
    return NULL;
}

bool look_is_registered(struct world *w, const char *worker)
{
    return world_int(w, "HEXISTS fl:{0}:workers %s", worker) == 1;
}

static bool all_registered(struct world *w, const pid_t *pids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!look_worker(w, pids[i]))
            return false;
    return true;
}

const pid_t *look_wait_workers(struct world *w, struct program *supervisor, size_t n)
{
    pid_t *pids = world_own(w, calloc(WORKERS_MAX, sizeof *pids), free);

    WAIT_UNTIL(w, 15000,
               world_worker_pids(supervisor, pids, WORKERS_MAX) == n && all_registered(w, pids, n));
    return pids;
}

bool look_ended(pid_t pid, int *ret)
{
    pid_t got = waitpid(pid, ret, WNOHANG);

    if (got < 0 && errno == ECHILD) /* still its supervisor's */
        return false;
    return got == pid;
}

void look_push_noops(struct world *w, int first, int count, const char *payload)
{
    for (int i = first; i < first + count; i++)
        world_push(w, "{'id':'x-%d','type':'noop','payload':%s}", i, payload);
}

int64_t look_resident_kb(pid_t pid)
{
    char line[256], path[64];
    static const char label[] = "VmRSS:";
    int64_t kb = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    f = fopen(path, "re");
    ck_assert_ptr_nonnull(f);
    while (kb == 0 && fgets(line, sizeof line, f))
        if (!strncmp(line, label, sizeof label - 1))
            kb = strtoll(line + sizeof label - 1, NULL, 10);
    fclose(f);
    return kb;
}
