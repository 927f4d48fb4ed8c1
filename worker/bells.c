/* bells.c - see bells.h. */
#include "worker/bells.h"

void bells_rang(struct bells *b, queue_set queues, bool claiming)
{
    b->maybe |= queues;
    if (claiming)
        b->rung |= queues;
}

void bells_claiming(struct bells *b) { b->rung = 0; }

void bells_claimed(struct bells *b, queue_set asked, queue_set of_class, bool empty)
{
    if (empty)
        b->maybe &= ~(asked & of_class) | b->rung;
    else if (asked & of_class)
        b->maybe |= of_class;
}
