/* look.h - what tests of deaths look at beside results: logs, worker ids, flags of costs. */
#ifndef FLOTILLA_TESTS_LOOK_H
#define FLOTILLA_TESTS_LOOK_H

#include "tests/support/world.h"

/* How often a text stands in what a program (and its processes) logged. */
int look_logged(const struct program *p, const char *text);
/* Cost events with this flag. */
int64_t look_flagged(struct world *w, const char *flag);
/* Ids that workers hold now, all together. */
int64_t look_held(struct world *w);
/* Jobs that workers run, as their last heartbeats told. */
int64_t look_running(struct world *w);
/* The id under which this process is registered; NULL when it is not. */
const char *look_worker(struct world *w, pid_t pid);
bool look_is_registered(struct world *w, const char *worker);
/* Wait until a supervisor has n processes and all are registered; returns their pids. */
const pid_t *look_wait_workers(struct world *w, struct program *supervisor, size_t n);
/* A process that is nobody's child but this test's: has it ended?  Then *ret is waitpid's. */
bool look_ended(pid_t pid, int *ret);
/* count jobs x-0, x-1, ... of type noop with this payload (' stands for "). */
void look_push_noops(struct world *w, int first, int count, const char *payload);
/* VmRSS of a process. */
int64_t look_resident_kb(pid_t pid);

#endif
