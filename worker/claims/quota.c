/* quota.c - see quota.h.
 *
 * Credit is a fraction of an id.  What is asked of a queue is its credit rounded up, so that a
 * queue of little weight is asked at all; what that takes too much is missing the next time.  Only
 * the queues of a claim earn and spend by it, and nobody saves up more than one claim's worth. */
#include "worker/claims/quota.h"

#include <string.h>

void quota_init(struct quota *q, const struct config_group *group)
{
    *q = (struct quota){0};
    for (size_t i = 0; i < group->queue_count && q->count < QUEUE_COUNT; i++) {
        enum queue_id id = queue_of(group->queues[i].name, strlen(group->queues[i].name));

        if (id != QUEUE_NONE)
            q->queues[q->count++] = (struct quota_queue){id, group->queues[i].weight, 0};
    }
}

static bool is_realtime(const struct quota_queue *q)
{
    return q->queue == QUEUE_INFERENCE_REALTIME;
}

queue_set quota_queues(const struct quota *q, bool realtime)
{
    queue_set set = 0;

    for (size_t i = 0; i < q->count; i++)
        if (is_realtime(&q->queues[i]) == realtime)
            set |= QUEUE_BIT(q->queues[i].queue);
    return set;
}

bool quota_has_realtime(const struct quota *q) { return quota_queues(q, true) != 0; }

/* Realtime first, then by credit. */
static bool before(const struct quota_queue *a, const struct quota_queue *b)
{
    if (is_realtime(a) != is_realtime(b))
        return is_realtime(a);
    return a->credit > b->credit;
}

static void sort(struct quota_queue *list[], size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && before(list[k], list[k - 1]); k--) {
            struct quota_queue *t = list[k];

            list[k] = list[k - 1];
            list[k - 1] = t;
        }
}

/* Credit does not pile up: at most one claim's worth. */
static void earn(struct quota_queue *q, double share, int total)
{
    q->credit += share;
    if (q->credit > total + 1)
        q->credit = total + 1;
}

size_t quota_share(struct quota *q, queue_set of, int total, int realtime, int others,
                   struct work_want wants[QUEUE_COUNT])
{
    struct quota_queue *list[QUEUE_COUNT];
    size_t n = 0;
    int weights = 0, left = total;

    for (size_t i = 0; i < q->count; i++)
        if ((of & QUEUE_BIT(q->queues[i].queue)) &&
            (is_realtime(&q->queues[i]) ? realtime : others) > 0) {
            list[n++] = &q->queues[i];
            weights += q->queues[i].weight;
        }
    for (size_t i = 0; i < n; i++)
        earn(list[i], (double)total * list[i]->weight / weights, total);
    sort(list, n);
    for (size_t i = 0; i < n; i++) {
        int most = is_realtime(list[i]) ? realtime : others;
        int quota = (int)(list[i]->credit + 0.999);

        quota = quota > most ? most : quota < 0 ? 0 : quota;
        quota = quota > left ? left : quota;
        list[i]->credit -= quota;
        left -= quota;
        wants[i] = (struct work_want){list[i]->queue, quota,
                                      is_realtime(list[i]) ? "realtime" : "others", most};
    }
    return n;
}
