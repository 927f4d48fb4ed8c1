/* health_parts.h - what the files of health_state.h share. */
#ifndef FLOTILLA_HEALTH_PARTS_H
#define FLOTILLA_HEALTH_PARTS_H

#include "common/route/health_state.h"

int64_t health_tally_latencies(const struct health_tally *t);       /* how many, in all bins */
int64_t health_tally_weight(const struct health_tally *t);          /* of all failures together */
enum health_kind health_tally_mostly(const struct health_tally *t); /* the most frequent failure */
/* What a kind of failure weighs, is called, and says about a route that it takes out. */
int health_kind_weight(enum health_kind kind);
enum err_kind health_kind_err(enum health_kind kind);
enum health_reason health_kind_reason(enum health_kind kind);

#endif
