/* budget_scene.h - lua/budget.lua on a real server: one call of it, and what it keeps.
 *
 * Two sums stand for all: "a" with a limit of 100 and alerts at 50, 80 and 100 %, "b" with 60 and
 * none.  A hold names those that it needs as bits. */
#ifndef FLOTILLA_TESTS_BUDGET_SCENE_H
#define FLOTILLA_TESTS_BUDGET_SCENE_H

#include "tests/unit/scripts_scene.h"

enum { A = 1, B = 2, HOUR_MS = 3600000 };
enum { UNMADE = -1 }; /* for a cost: the call was not made */

extern const struct budget_known {
    const char *name;
    int limit; /* nano-USD */
    const char *alerts;
} known[2];

/* How the script is called; the fixture sets it anew. */
extern struct budget_how {
    int64_t starts_in_ms, remember_ms, keep_ms;
    int64_t raised; /* the limit of "a"; 0: 100 */
    bool no_sums;
    bool may_come; /* what is settled may still be made, by a request on its way */
} how;

/* Checked fixture; its end is scene_close(). */
void budget_scene_open(void);

struct item {
    const char *hold;
    int64_t amount; /* or what it cost; nano-USD */
    unsigned sums;
    int64_t ttl_ms;
};
/* What the script answered; `kind` and the sums by item. */
struct said {
    bool done;
    char first[16];
    int64_t kind[8], sum[8], spent[8], reserved[8];
    size_t answers;
    char told[256]; /* "a d20261122 50 61 100;" */
    char error[512];
};
/* One call: first these are settled, then those are made. */
struct said tell_budget(const struct item *settled, size_t settled_n, const struct item *made,
                        size_t made_n);
struct said hold(const char *name, int64_t amount, unsigned sums, int64_t ttl_ms);
struct said settle_hold(const char *name, int64_t cost);
struct said look(void); /* nothing of the two: it looks after what expired */

/* What the sum known[i] must be in Redis. */
void check_sum(int i, int64_t spent, int64_t reserved);

#endif
