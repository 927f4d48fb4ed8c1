/* test_memory.c - the scheduler has little memory: good documents are taken in all the same, and
 * one that it has no room for is set aside. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/resource.h>

#include "tests/support/look.h"

enum { ALL_MS = 60000, MB = 1 << 20 };

/* A number of /proc/<pid>/status in bytes. */
static int64_t status_bytes(pid_t pid, const char *name)
{
    char path[64], line[256];
    int64_t kb = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0)
            kb = strtoll(line + strlen(name), NULL, 10);
    if (f)
        fclose(f);
    return kb * 1024;
}

/* It gets so much more address space than it has now. */
static void limit_memory(const struct program *p, int64_t more_bytes)
{
    const rlim_t most = (rlim_t)(status_bytes(p->pid, "VmSize:") + more_bytes);

    ck_assert_int_eq(prlimit(p->pid, RLIMIT_AS, &(struct rlimit){most, most}, NULL), 0);
}

static struct program *start_with_little(struct world *w, int64_t more_bytes)
{
    struct program *p = world_start_scheduler(w, "FLOTILLA_SCHEDULER_LEASE_MS=500");

    WAIT_UNTIL(w, ALL_MS, look_logged(p, "event=lease.held ") == 1);
    limit_memory(p, more_bytes);
    p->may_end = true;
    return p;
}

/* {"id":ID,"type":"noop","payload":{"result":[{},{},...]}}: its tree is a hundred times as large.
 */
static void push_tree(struct world *w, const char *id, int nodes)
{
    size_t cap = (size_t)nodes * 3 + 128, n;
    char *doc = malloc(cap);

    n = (size_t)snprintf(doc, cap, "{\"id\":\"%s\",\"type\":\"noop\",\"payload\":{\"result\":[",
                         id);
    for (int i = 0; i < nodes; i++, n += 3)
        memcpy(doc + n, "{},", 3);
    n += (size_t)snprintf(doc + n, cap - n, "0]}}");
    world_push_raw(w, doc, n);
    free(doc);
}

START_TEST(one_document_without_room_is_set_aside_and_all_others_are_taken)
{
    enum { BIG = 20 };
    struct world *w = world_new();
    struct program *scheduler = start_with_little(w, 40 * MB);
    char id[16];

    for (int i = 0; i < BIG; i++) {
        snprintf(id, sizeof id, "big-%d", i);
        world_push_raw(w, world_noop_of(w, id, 900000), 900000);
        if (i == BIG / 2)
            push_tree(w, "tree", 330000);
    }
    WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:ready:noop") == BIG);
    WAIT_UNTIL(w, ALL_MS, world_has_alert(w, "intake_aside"));
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:results"), 0);
    ck_assert_int_eq(world_int(w, "LLEN fl:{0}:aside"), 1);
    ck_assert_ptr_nonnull(strstr(world_cli(w, "doctor").out, "1 documents in fl:{0}:aside"));
    /* With more memory it is a job as good as any. */
    program_kill(scheduler);
    scheduler = world_start_scheduler(w);
    world_redis(w, "LMOVE fl:{0}:aside fl:{0}:intake RIGHT LEFT");
    WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:ready:noop") == BIG + 1);
    WAIT_UNTIL(w, ALL_MS, status_bytes(scheduler->pid, "VmRSS:") < 30 * MB);
    ck_assert_int_gt(status_bytes(scheduler->pid, "VmHWM:"), 60 * MB);
    world_free(w);
}
END_TEST

/* What a scheduler with more memory had in hand when it ended. */
START_TEST(what_is_in_hand_is_taken_in_portions_that_fit)
{
    enum { BIG = 60 };
    struct world *w = world_new();
    struct program *scheduler = start_with_little(w, 40 * MB);
    char id[16];

    for (int i = 0; i < BIG; i++) {
        snprintf(id, sizeof id, "big-%d", i);
        world_redis(w, "LPUSH fl:{0}:taken %b", world_noop_of(w, id, 900000), (size_t)900000);
    }
    world_push(w, "{'id':'last','type':'noop','payload':{}}");
    WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:ready:noop") == BIG + 1);
    ck_assert(program_runs(scheduler));
    ck_assert_int_eq(world_int(w, "EXISTS fl:{0}:aside"), 0);
    world_free(w);
}
END_TEST

Suite *test_memory(void)
{
    Suite *s = suite_create("memory");
    TCase *tc = tcase_create("memory");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, one_document_without_room_is_set_aside_and_all_others_are_taken);
    tcase_add_test(tc, what_is_in_hand_is_taken_in_portions_that_fit);
    suite_add_tcase(s, tc);
    return s;
}
