/* crew.h - the processes of a host: which slots there are, and starting and stopping theirs.
 *
 * A slot is the place of one process of a group; processes come and go in it.  How many slots a
 * group has is what was last told (`flotilla scale`), else what the configuration says.  Used by
 * supervisor.c alone. */
#ifndef FLOTILLA_CREW_H
#define FLOTILLA_CREW_H

#include "common/config/config.h"
#include "common/core/buf.h"
#include "worker/supervisor/slot.h"
#include "worker/supervisor/spawn.h"

enum { SLOTS_MAX = 1024, LINE_BYTES = 256 };

struct slot {
    struct slot *next;
    char *group;
    int number;
    bool wanted; /* false: scaled away, or replaced */
    enum slot_state state;
    struct spawned child;
    int64_t started_ms, spawn_at_ms; /* monotonic; DRAINING: since when */
    int quick_exits;
    struct buf takes_over; /* as child_options has it: what waits for the next process */
    /* watchdog */
    uint64_t beats;
    int64_t beat_ms, abort_ms;
    bool watchdog;
    struct buf line; /* of the child, as far as it came */
};

struct crew {
    struct slot *slots;
    struct group_state *groups;
};

/* All groups of the configuration as they should be; groups that it has no more drain. */
void crew_configure(struct crew *c, const struct config *cfg);
/* A group is to have n processes, whatever the configuration says; told again, nothing changes. */
void crew_told(struct crew *c, const char *group, int64_t n);
void crew_forget(struct crew *c); /* what was told; the slots are gone by then */

/* One slot more, EMPTY. */
struct slot *crew_add(struct crew *c, const char *group, int number);
void crew_drop(struct crew *c, struct slot *t);
/* Start its process; one that is not wanted only takes over what its predecessors held.  When that
 * fails, spawn_at_ms says when to try again. */
void crew_spawn(struct slot *t);
void crew_drain(struct slot *t); /* unless it does already */

#endif
