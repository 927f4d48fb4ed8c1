/* sim_ledger.h - what was asked and what was billed: the provider's side of the account.
 *
 * An item is opened when a request has been read and closed when its answer is
 * wholly written (billed) or the client has gone (aborted).  Until then its
 * status is 0.  GET /models and /whoami have items, but are no `requests`.  At
 * most SIM_LEDGER_ITEMS_MAX items are kept; sums go on.
 */
#ifndef FLOTILLA_SIM_LEDGER_H
#define FLOTILLA_SIM_LEDGER_H

#include "common/core/base.h"
#include "common/core/buf.h"
#include "tests/sim/sim_model.h"

#define SIM_LEDGER_ITEMS_MAX 2000000

struct sim_ledger_item {
    const char *path; /* borrowed for ever: a pattern of the routes table */
    struct sim_model *model;
    char *asked;     /* the model's id when it is unknown; owned; NULL or "" for none */
    char *custom_id; /* requests of a batch; owned */
    int64_t prompt_tokens, completion_tokens, billed_nanousd;
    int64_t received_us; /* Unix time when the request had been read */
    int16_t status;
    bool aborted;
};

struct sim_ledger {
    struct sim_ledger_item *items;
    size_t count, cap;
    int64_t requests, billed_nanousd;
    int64_t in_flight, most_in_flight; /* now, and ever since the last reset */
    uint32_t epoch; /* counts resets: late ends of earlier requests are ignored */
};

/* Names an open item. */
struct sim_ledger_ref {
    size_t index;
    uint32_t epoch;
    bool open;
};

void sim_ledger_done(struct sim_ledger *l);
void sim_ledger_reset(struct sim_ledger *l);
struct sim_ledger_ref sim_ledger_open(struct sim_ledger *l, const char *path);
/* Close it.  `item` gives everything but the path and the time; asked and custom_id are copied.
 * Adds to the model's sums. */
void sim_ledger_close(struct sim_ledger *l, struct sim_ledger_ref *ref,
                      const struct sim_ledger_item *item);
/* The document of GET /_sim/ledger; items from `since` on when with_items. */
void sim_ledger_print(const struct sim_ledger *l, const struct sim_models *models, bool with_items,
                      size_t since, struct buf *out);

#endif
