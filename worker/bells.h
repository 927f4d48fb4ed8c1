/* bells.h - which queues may have work, as far as this worker knows: pure.
 *
 * A bell names one queue, so what follows is a claim of that queue alone.  A
 * claim that was not answered in full found its queues empty; one that was
 * leaves its class busy: then all its queues are asked in turn, for nobody
 * waits at their bells meanwhile. */
#ifndef FLOTILLA_BELLS_H
#define FLOTILLA_BELLS_H

#include "worker/quota.h"

struct bells {
    queue_set maybe; /* may have work */
    queue_set rung;  /* of them, those that rang since the claim under way was sent */
};

/* These may have work: a token came, the net, or a lost connection. */
void bells_rang(struct bells *b, queue_set queues, bool claiming);
void bells_claiming(struct bells *b); /* a claim goes out */
/* The claim's answer for the queues of one class: empty, when the claim would have taken more. */
void bells_claimed(struct bells *b, queue_set asked, queue_set of_class, bool empty);

#endif
