/* facts.h - what tests of jobs and of the provider keep asking of a world.
 *
 * A canned provider is the simulator's receiver of webhooks used as base URL:
 * it notes every request, byte for byte and with its time, and answers what
 * the test says.  It bills nothing.
 *
 *     world_start_worker(w, canned_provider(w));
 *     canned_answer(w, "job-7", "{\"choices\": ...}");   to requests that contain job-7
 */
#ifndef FLOTILLA_TESTS_FACTS_H
#define FLOTILLA_TESTS_FACTS_H

#include "tests/support/world.h"

/* A scheduler and a worker supervisor with the same settings. */
#define world_start_both(...)               \
    do {                                    \
        world_start_scheduler(__VA_ARGS__); \
        world_start_worker(__VA_ARGS__);    \
    } while (0)

/* ---- jobs ---- */
/* more: members in the style of world_push, behind a comma: ",'delay_ms':400". */
void facts_push_noop(struct world *w, const char *id, const char *more);
void facts_push_chat(struct world *w, const char *id, const char *more);
void facts_push_text(struct world *w, const char *text); /* as it is spelled */
/* `flotilla NAME WHAT`, which must succeed. */
void facts_command(struct world *w, const char *name, const char *what);
json_t *facts_job(struct world *w, const char *id); /* `flotilla job ID --json`; NULL: none */
/* Of its last result. */
int64_t facts_attempts(struct world *w, const char *id);
bool facts_has_state(struct world *w, const char *id, const char *state);
/* The bytes of the last result document of a job. */
const char *facts_result_text(struct world *w, const char *id);
int64_t facts_ms_of(json_t *result, const char *from, const char *to); /* to - from */

/* ---- money ---- */
json_t *facts_costs(struct world *w, const char *id); /* the job's cost documents, oldest first */
bool facts_flagged(json_t *cost, const char *flag);
size_t facts_count_flagged(json_t *costs, const char *flag);

/* ---- the canned provider ---- */
extern const char canned_chat[];              /* a good chat answer with usage */
const char *canned_provider(struct world *w); /* the setting "TOGETHER_BASE_URL=..." */
/* Answer 200 with these bytes, always, to requests that contain match (NULL: all others). */
void canned_answer(struct world *w, const char *match, const char *body);
/* Requests that contain match, oldest first: path, headers, body, received_ms. */
json_t *canned_calls(struct world *w, const char *match);
/* ms from the request n (0-based) to the next one. */
int64_t canned_gap_ms(json_t *calls, size_t n);

#endif
