/* health_parts.h - what the files of health_state.h share. */
#ifndef FLOTILLA_HEALTH_PARTS_H
#define FLOTILLA_HEALTH_PARTS_H

#include "common/route/health_state.h"

int64_t health_tally_latencies(const struct health_tally *t);       /* in the bins */
int64_t health_tally_weight(const struct health_tally *t);          /* of the failures */
enum health_kind health_tally_mostly(const struct health_tally *t); /* the most frequent failure */
int health_kind_weight(enum health_kind kind);
enum err_kind health_kind_err(enum health_kind kind);
enum health_reason health_kind_reason(enum health_kind kind);

#endif
