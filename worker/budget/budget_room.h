/* budget_room.h - jobs that wait for room in a budget: postponed, and called back when room comes.
 *
 * Each sum (a budget, and a tenant when it is for each) has a room (worker/rooms.h) that outlasts
 * its periods; entries stand there by the time since when their jobs wait, oldest first.  Nobody
 * asks whether there is room: when money comes back, the first two jobs per call are called back,
 * and each of them that finds room calls back two more, so that a raised limit or a new period
 * wakes all that it has room for.  The first one then is a job that came at its own time, a worker
 * that reads its configuration, or one that begins.
 *
 * The own times of many jobs are so far apart that about ten of them come in a second. */
#ifndef FLOTILLA_BUDGET_ROOM_H
#define FLOTILLA_BUDGET_ROOM_H

#include "common/config/config.h"
#include "common/queue/record.h"

struct process;
struct budget_rooms;

struct budget_rooms *budget_rooms_new(struct process *p);
void budget_rooms_free(struct budget_rooms *s);

/* A job waits since then (ms) for that budget; tenant as in struct job. */
void budget_room_enter(struct budget_rooms *s, const struct config_budget *b, struct span tenant,
                       enum queue_id queue, const char *id, int64_t since_ms);
/* How many wait there, as far as this process knows; 0 when it does not. */
int64_t budget_room_count(struct budget_rooms *s, const struct config_budget *b,
                          struct span tenant);
/* Room may have come in each of these budgets (indexes of p->cfg). */
void budget_room_wake(struct budget_rooms *s, const unsigned char *budgets, size_t count,
                      struct span tenant);
/* The limits may be others: one job of each room sees whether there is room now. */
void budget_room_try_all(struct budget_rooms *s);

#endif
