/* bells.h - which queues may have work, as far as this worker knows: pure.
 *
 * A bell names one queue, so what follows is a claim of that queue alone, and a
 * claim shows which of its queues are empty now.  While one queue of a class has
 * work nobody waits at the bells of that class: then all its queues are asked
 * now and then. */
#ifndef FLOTILLA_BELLS_H
#define FLOTILLA_BELLS_H

#include "worker/claims/quota.h"

enum { BELLS_LOOK_MS = 20 };

struct bells {
    queue_set maybe;   /* may have work */
    queue_set rung;    /* of them, those that rang since the claim under way was sent */
    queue_set busy;    /* had more than the last claim took */
    int64_t looked_ms; /* when all queues of busy classes were asked */
};

/* These may have work: a token came, the net, or a lost connection. */
void bells_rang(struct bells *b, queue_set queues, bool claiming);
/* A claim goes out: which queues it should ask.  class_sets: the queues of the classes. */
queue_set bells_claim(struct bells *b, const queue_set *class_sets, size_t classes, int64_t now_ms);
/* Its answer: these of the asked ones are empty. */
void bells_claimed(struct bells *b, queue_set asked, queue_set dry);

#endif
