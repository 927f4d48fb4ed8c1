/* calls_private.h - shared by calls.c and calls_outcome.c. */
#ifndef FLOTILLA_TESTS_EXPLORE_CALLS_PRIVATE_H
#define FLOTILLA_TESTS_EXPLORE_CALLS_PRIVATE_H

#include "common/queue/job.h"
#include "common/route/routes.h"
#include "tests/explore/calls.h"

const struct job_defaults *calls_defaults(void);
const struct routes *calls_routes(void);
/* tnum and token of a record, as the scripts compare them. */
void claim_of(char claim[RECORD_CLAIM + 1], uint32_t held);

void send_outcome(const struct call *c);
/* What becomes of the call of a hold if its worker dies: the document of its note. */
void outcome_note(const struct call *c, struct buf *out);
void send_end(const struct call *c);
void send_replay(const struct call *c);

#endif
