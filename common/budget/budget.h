/* budget.h - what may still be spent: the pure part, and how Redis keeps it.
 *
 * A budget (config_budget) has one sum for each calendar period, in UTC and by
 * Redis's clock, and each tenant when it is for each.  fl:{0}:budget is a hash:
 *
 *     "<budget> <period>[ <tenant>]"  ->  "<spent> <reserved> <told> <ends> <limit> <alerts>"
 *     "acme-day d20261122"            ->  "712000000 4112000 50 1795392000000 1000000000 50,80"
 *
 *   spent     nano-USD that calls cost, or may have cost
 *   reserved  the worst cases of calls under way: fl:{0}:holds has them one by one
 *   told      the highest percent that was alerted
 *
 * Always spent + reserved <= limit, unless a call cost more than its worst
 * case, the limit was lowered, or a price was unknown.  lua/budget.lua keeps it.
 */
#ifndef FLOTILLA_BUDGET_H
#define FLOTILLA_BUDGET_H

#include "common/config/config.h"

enum {
    BUDGET_REMEMBER_MS = 3600000, /* a hold that was charged: a later answer still corrects it */
    BUDGET_KEEP_SUM_MS = 86400000 /* after its period */
};

struct budget_period {
    char name[16]; /* "h2026112209", "d20261122", "m202611" */
    int64_t starts_ms, ends_ms;
};
void budget_period_at(enum budget_per per, int64_t now_ms, struct budget_period *ret);

/* Whose job, and what it would call. */
struct budget_who {
    struct span tenant, tags; /* as in struct job: raw, with quotes; absent: none */
    struct span model;        /* text */
};
/* The budgets that speak of it, as indexes of cfg->budgets, in their order; returns how many. */
size_t budget_applying(const struct config *cfg, const struct budget_who *who,
                       unsigned char ret[CONFIG_BUDGETS_MAX]);

#define BUDGET_SUM_NAME 128
/* The name of a sum.  tenant (raw) matters for budgets of each tenant only. */
void budget_sum_name(const struct config_budget *b, const struct budget_period *p,
                     struct span tenant, char text[BUDGET_SUM_NAME]);

struct budget_sum {
    int64_t spent_nanousd, reserved_nanousd, told_percent, ends_ms, limit_nanousd;
};
NODISCARD bool budget_sum_read(struct span value, struct budget_sum *ret);

#define BUDGET_USD 32
/* nano-USD exactly, with at least two decimals: "24.90", "0.0042"; returns text. */
const char *budget_usd(int64_t nanousd, char text[BUDGET_USD]);

/* The most that a call can cost at this model's prices: what cost_of_lost would tell, so that a
 * call whose answer is lost is settled with what was reserved.  Where no price is known it is 0,
 * or the part that is known, and *ret_unpriced is set: nothing can be promised of such a call. */
int64_t budget_worst(const struct model *m, unsigned task, struct span body, bool *ret_unpriced);

#endif
