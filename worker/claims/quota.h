/* quota.h - how a claim is shared among the queues of a group: pure.
 *
 * Every queue earns credit by its weight with each claim and spends it with
 * the ids it is granted; what one claim rounds away the next makes good, so
 * even claims of one id follow the weights over time and no queue starves.
 * (Stride scheduling, Waldspurger 1995, in its credit form.)  Realtime stands first. */
#ifndef FLOTILLA_QUOTA_H
#define FLOTILLA_QUOTA_H

#include "common/config/config.h"
#include "common/queue/work.h"

struct quota {
    size_t count;
    struct quota_queue {
        enum queue_id queue;
        int weight;
        double credit;
    } queues[QUEUE_COUNT];
};

/* A set of queues: a bit for each. */
typedef unsigned queue_set;
#define QUEUE_BIT(queue) (1u << (queue))

void quota_init(struct quota *q, const struct config_group *group);
bool quota_has_realtime(const struct quota *q);
/* The group's queues: realtime's alone, or the others. */
queue_set quota_queues(const struct quota *q, bool realtime);
/* Fill wants in the order of preference, of the queues in `of`; total ids are asked for, at most
 * `realtime` of realtime's queue and at most `others` of each other one (0: such queues are left
 * out).  Returns how many wants there are. */
size_t quota_share(struct quota *q, queue_set of, int total, int realtime, int others,
                   struct work_want wants[QUEUE_COUNT]);

#endif
