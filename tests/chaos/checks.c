/* checks.c - reads the books once, and runs every check of the table on them. */
#include <check.h>

#include "tests/chaos/chaos.h"

static const struct {
    const char *name;
    void (*run)(struct round *r, struct books *b);
} checks[] = {
#define X(symbol, help) {#symbol, check_##symbol},
#include "tests/chaos/checks.def"
};

void checks_run(struct round *r)
{
    struct books b;

    /* The last ones are replaced too, which adds what they know to what is known. */
    cast_replace(r, &r->provider);
    cast_replace(r, &r->receiver);
    r->counts.kills[ROLE_PROVIDER]--;
    r->counts.kills[ROLE_RECEIVER]--;
    cutter_pass(r->provider.net);
    cutter_pass(r->receiver.net);
    b = (struct books){.results = world_results(r->w),
                       .costs = world_costs(r->w),
                       .bill = r->bill,
                       .deliveries = r->deliveries};
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        int before = r->violations;

        checks[i].run(r, &b);
        if (r->violations > before)
            chaos_note(r, "check %s: %d violations", checks[i].name, r->violations - before);
    }
}
