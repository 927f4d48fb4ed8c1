/* holds_private.h - what holds.c and holds_call.c share; see holds.h. */
#ifndef FLOTILLA_HOLDS_PRIVATE_H
#define FLOTILLA_HOLDS_PRIVATE_H

#include "common/model/cost.h"
#include "common/queue/keys.h"
#include "worker/batcher.h"
#include "worker/budget/holds.h"

struct hold {
    struct holds *s;
    char id[COST_NOTE];
    char *note;      /* NULL: settled */
    char tenant[72]; /* raw */
    int refs;        /* its owner, and the batches that it is in */
    hold_cb *cb;     /* NULL: nobody waits for the answer */
    void *arg;
    bool asked, written;   /* in a batch that was not answered; and in the call under way */
    bool may_come;         /* it is settled while a request to make it may still run */
    bool given_up, called; /* called: it is settled with what the call cost */
    int64_t amount_nanousd, cost_nanousd, ttl_ms;
    int64_t settled_ms;       /* monotonic: when Redis acknowledged that */
    const struct config *cfg; /* as it was then: it outlives us */
    size_t count;
    unsigned char budgets[CONFIG_BUDGETS_MAX]; /* of cfg */
    unsigned short rows[CONFIG_BUDGETS_MAX];   /* of the call under way */
};
void hold_unref(struct hold *h);

struct hold_list {
    struct hold **items;
    size_t count, cap;
};
void hold_list_add(struct hold_list *l, struct hold *h); /* takes a reference */
void hold_list_clear(struct hold_list *l);

/* A sum that a batch speaks of. */
struct hold_row {
    const struct config_budget *budget;
    struct budget_period period;
    char name[BUDGET_SUM_NAME];
};

/* One call of the script, and all its tries. */
struct hold_batch {
    struct batch batch;
    struct holds *s;
    struct hold_list made, settled;
    struct hold_row *rows;
    size_t row_count;
    int tries;
};

/* ---- holds_call.c ---- */
/* The script's keys (seven) and arguments; now: Redis's clock. */
void hold_batch_write(struct hold_batch *b, const struct env *env, int64_t now_ms,
                      struct redis_args *a);
/* Tell each hold what the script said.  Callbacks may make and settle others, and give up those
 * that come behind them here. */
void hold_batch_hear(struct hold_batch *b, const struct reply *reply);
/* Tell each hold HOLD_UNKNOWN.  What may have been made all the same, by a try whose answer was
 * lost, is now among those to be settled.  Callbacks as above. */
void hold_batch_refuse(struct hold_batch *b, int64_t again_ms);

#endif
