/* budget_room.h - jobs that wait for room in a budget: postponed, and called back when room comes.
 *
 * Each sum (a budget, and a tenant when it is for each) has a room (worker/claims/rooms.h) that outlasts
 * its periods; entries stand there by the time since when their jobs wait, oldest first.  Nobody
 * asks whether there is room: when money comes back, the first two jobs per call are called back,
 * and each of them that finds room calls back two more, so that a raised limit or a new period
 * wakes all that it has room for.  The first one then is a job that came at its own time, a worker
 * that reads its configuration, or one that begins.
 *
 * A process that found a room empty looks into it again once in a second at most, so a job that
 * came meanwhile waits for so long.
 *
 * The own times of many jobs are so far apart that about ten of them come in a second, of all rooms
 * and for each process. */
#ifndef FLOTILLA_BUDGET_ROOM_H
#define FLOTILLA_BUDGET_ROOM_H

#include "common/config/config.h"
#include "common/queue/record.h"
#include "worker/claims/rooms.h"
#include "worker/env.h"

struct hold_answer;
struct rooms;
struct budget_rooms;

struct budget_rooms *budget_rooms_new(const struct env *env, struct rooms *rooms);
void budget_rooms_free(struct budget_rooms *s);

/* What a refused job waits for, and since when (ms); tenant as in struct job. */
struct budget_wait {
    char room[ROOM_NAME];
    struct room_sum sum;
    int64_t since_ms;
};
void budget_wait_init(struct budget_wait *w, const struct hold_answer *a, struct span tenant,
                      int64_t since_ms);
/* Its job is postponed: that is written. */
void budget_room_enter(struct budget_rooms *s, const struct budget_wait *w, enum queue_id queue,
                       const char *id);
/* A job comes in in_ms at its own time. */
void budget_room_expect(struct budget_rooms *s, int64_t in_ms);
/* How many jobs wait there, or come to this process at their own times: the greater number, as far
 * as this process knows. */
int64_t budget_room_count(struct budget_rooms *s, const struct config_budget *b,
                          struct span tenant);
/* Room may have come in each of these budgets (indexes of env->cfg). */
void budget_room_wake(struct budget_rooms *s, const unsigned char *budgets, size_t count,
                      struct span tenant);
/* The limits may be others: one job of each room sees whether there is room now. */
void budget_room_try_all(struct budget_rooms *s);

#endif
