/* rooms.h - waiting rooms in Redis: which postponed jobs are called back when something changes.
 *
 * A job that waits for a rate or for a budget is postponed (it stands in `delayed`), and leaves an
 * entry in the room of what it waits for.  A process that sees that there is room now takes the
 * first entries out of the room and calls their jobs back: these are due at once.
 *
 *     rooms_enter ──▶ room (zset: entry -> place, first is next) ──rooms_look──▶ rooms_recall
 *     postponed job ──▶ delayed ◀─────────────── due now ────────────────────────────┘
 *
 * An entry is a hint, never the truth: the job's own time is its net.  A room that is full
 * (ROOM_MAX) or gone, a process that dies between a look and the recall, an answer that is lost:
 * their jobs come at their own time.  An entry whose job is elsewhere by then is dropped.
 *
 * A room is one key, fl:{0}:room:<name>, and fl:{0}:rooms lists those that are not empty; nothing
 * of them is kept in this process.  What is asked in
 * one turn of the loop is one call of lua/room.lua and one of lua/retime.lua. */
#ifndef FLOTILLA_ROOMS_H
#define FLOTILLA_ROOMS_H

#include "common/budget/budget.h"
#include "common/core/base.h"
#include "worker/env.h"

struct rooms;

enum { ROOM_MAX = 100000, ROOMS_MAX = 2000, ROOM_KEEP_MS = 7200000 };
enum { ROOM_NAME = 256, ROOM_ENTRY = 256 }; /* bytes */

struct rooms *rooms_new(const struct env *e);
void rooms_free(struct rooms *s); /* no callback comes any more */

/* Of a job that is postponed: call it when that is written, for a job that is called back before
 * is not found, and its entry is lost.
 * entry: "<queue>/<id>" or "<queue>/<id>/<what the caller wants to know of it>", shorter than
 * ROOM_ENTRY; the same entry again only changes its place.
 * sum: when less of it is taken now than then, an entry is handed out as if rooms_look had been
 * called; NULL: none. */
struct room_sum {
    char name[BUDGET_SUM_NAME];
    int64_t taken_nanousd; /* spent and reserved */
};
void rooms_enter(struct rooms *s, const char *name, double place, const char *entry,
                 const struct room_sum *sum);

struct room_look {
    double last; /* entries up to this place; HUGE_VAL: all */
    int most;    /* so many at most */
};
struct room_entry {
    char text[ROOM_ENTRY];
    double place;
};
/* These entries have left the room of that name, and so many are left; -1: Redis did not answer. */
struct room_seen {
    const char *name;
    int64_t left;
    const struct room_entry *entries;
    size_t count;
};
typedef void room_cb(void *arg, const struct room_seen *seen);
/* Of two looks into one room in one turn the later one counts, and `most` of both. */
void rooms_look(struct rooms *s, const char *name, const struct room_look *look, room_cb *cb,
                void *arg);
/* The names of rooms that may have entries of any process: for a process that starts. */
typedef void room_name_cb(void *arg, const char *name);
void rooms_list(struct rooms *s, room_name_cb *cb, void *arg);
/* arg goes away: its callbacks do not come any more. */
void rooms_forget(struct rooms *s, const void *arg);
/* The job of that entry of a room is due now, if it still waits. */
void rooms_recall(struct rooms *s, const char *name, const char *entry);
/* Called at the end of a turn, before its looks go out: money that came back in this turn is sent
 * before its room is looked into. */
void rooms_on_send(struct rooms *s, void (*cb)(void *arg), void *arg);
/* One callback for all rooms: a job that was called back did not wait any more, so another one of
 * its room may come instead. */
void rooms_on_gone(struct rooms *s, room_name_cb *cb, void *arg);

#endif
