/* health_scene.h - two processes of a fleet that call one route, and its record in Redis.
 *
 * On top of scripts_scene.h.  Nothing happens by itself: what the processes have to say is said
 * and heard in sync_both(). */
#ifndef FLOTILLA_TESTS_HEALTH_SCENE_H
#define FLOTILLA_TESTS_HEALTH_SCENE_H

#include "tests/unit/scripts_scene.h"
#include "worker/process.h"
#include "worker/route/health_private.h"

#define HEALTH_SCENE_ROUTE "together google/x"

/* Checked fixtures.  Heartbeats of 50 ms, probes after 100 to 400 ms. */
void two_processes(void);
void no_processes(void);
extern struct process one[1], two[1]; /* of one each: they are used by pointer */
/* Time passes when the tests say so: the processes' and, for what they compare, Redis's own. */
extern int64_t skipped_ms;

/* All that is to be said is said, and heard. */
void sync_both(void);
/* The same, long enough for others to object. */
void settle_both(void);

/* What a process has of the route. */
struct health_route *route_of(struct process *p);
/* A call that is answered (ERR_NONE) or fails; what the gate said. */
enum health_gate call_once(struct process *p, enum err_kind kind);
void calls(struct process *p, int n, enum err_kind kind);
enum health_gate peek(struct process *p);
/* `one` fails until the route is out for the fleet. */
void open_route(void);

/* The record in Redis; fails the test when there is none. */
struct health_state health_record(void);
/* How many alerts with that code were written. */
int alerts_of(const char *code);

#endif
