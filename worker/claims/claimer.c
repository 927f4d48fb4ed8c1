/* claimer.c - see claimer.h. */
#include "worker/claims/claimer.h"

bool claimer_may_call(const struct claimer *c) { return c->ops->may_call(c); }
void claimer_gone(struct claimer *c) { c->ops->gone(c); }
void claimer_kick(struct claimer *c) { c->ops->kick(c); }

static void claimer_on_turn_end(void *arg)
{
    struct claimer *c = arg;

    c->kicking = false;
    claimer_kick(c);
}

void claimer_kick_later(struct claimer *c)
{
    if (c->kicking)
        return;
    c->kicking = true;
    loop_defer(c->env->loop, claimer_on_turn_end, c);
}
