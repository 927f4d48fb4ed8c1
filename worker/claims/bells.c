/* bells.c - see bells.h.
 *
 *     a bell --> maybe --claim--> asked --answer--> dry: not maybe any more
 *                                           not dry: busy, and still maybe
 *
 * A bell that rings while a claim is under way may be of a job that the claim came too early for:
 * it is kept (rung) over the answer that the queue is dry. */
#include "worker/claims/bells.h"

void bells_rang(struct bells *b, queue_set queues, bool claiming)
{
    b->maybe |= queues;
    if (claiming)
        b->rung |= queues;
}

queue_set bells_claim(struct bells *b, const queue_set *class_sets, size_t classes, int64_t now_ms)
{
    bool look = now_ms - b->looked_ms >= BELLS_LOOK_MS;

    b->rung = 0;
    for (size_t i = 0; look && i < classes; i++)
        if (b->busy & class_sets[i])
            b->maybe |= class_sets[i];
    if (look)
        b->looked_ms = now_ms;
    return b->maybe;
}

void bells_claimed(struct bells *b, queue_set asked, queue_set dry)
{
    b->maybe &= ~dry | b->rung;
    b->busy = (b->busy & ~asked) | (asked & ~dry);
}
