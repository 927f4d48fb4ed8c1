/* store.h - what is in Redis, as a small value; and what a command makes of it.
 *
 *     image + command --(real script on the real server, once)--> image, reply,
 * news
 *
 * An image is all that the scripts read again: records, lists, sets.  What they
 * only ever append to (results, cost events, sums of the day) is no part of it:
 * that is the news of one command.  The answer is remembered, so that each
 * command runs once for each image, however many states of the programs it is
 * met in.
 *
 * Times are normalised: a job is due, or it is not (LATER); whoever lets time
 * pass rewrites the image.  So a job that is put aside for any time comes back
 * at any time.
 */
#ifndef FLOTILLA_TESTS_EXPLORE_STORE_H
#define FLOTILLA_TESTS_EXPLORE_STORE_H

#include "common/core/buf.h"
#include "common/queue/keys.h"
#include "tests/explore/pool.h"

enum { JOBS = 2, QUEUES = 2, IDS = 4, LIST = 6, DELAYED = 4, DOCS = 3, LEASES = 5 };
#define LATER_MS INT64_C(8000000000000) /* of a time that has not come */
#define DELAY_MS INT64_C(3000000000000) /* what programs ask for: it is normalised to LATER_MS */
extern int64_t wall_ms; /* the programs' clock stands still, at the beginning of this run */

/* The money of a call: what it may cost, and what it does cost. */
enum { WORST_NANOUSD = 100, COST_NANOUSD = 60, LIMIT_NANOUSD = 160 };
#define BUDGET_SUM  "all d1"
#define BUDGET_ROOM "budget-all"
/* An entry of `delayed`. */
enum { AT_JOB = 1, AT_QUEUE = 4, AT_LATER = 8, AT_FRONT = 16, AT_THERE = 32 };

struct image {
    uint32_t record[JOBS];             /* in `records`: the header, and 't' when it has a time
                                          to live */
    uint32_t late;                     /* in `texts`: ids of cost events, each behind a blank */
    uint32_t holds;                    /* in `texts`: " <hold>=<o or c><amount>" each, sorted */
    uint32_t notes;                    /* in `texts`: " <worker>/<hold>/<document in texts>" each */
    uint32_t room;                     /* in `texts`: " <entry>" each, of the budget's room */
    uint16_t spent, reserved;          /* of the one budget, LIMIT_NANOUSD */
    uint8_t ready[QUEUES][LIST];       /* job + 1, the next one first; 0: the end */
    uint8_t delayed[DELAYED];          /* AT_..., sorted */
    uint8_t active[IDS];               /* bits of jobs, by worker id */
    uint8_t beat[IDS];                 /* counter of its heartbeat; 0: not registered */
    uint8_t cancels, dead;             /* bits of jobs */
    uint8_t lease;                     /* index of the token that holds it; 0: nobody */
    uint8_t intake[DOCS], taken[DOCS]; /* job + 1, the oldest first */
    uint8_t zero[3];                   /* it is compared as bytes: no gaps */
};
_Static_assert(sizeof(struct image) == 64, "a gap in struct image");

struct answer {
    uint32_t image;
    uint32_t reply;  /* in `texts`: RESP, normalised */
    uint32_t news;   /* in `texts`: "=job run state" per result, "$event" per cost
                        event */
    bool overflow;   /* more than an image holds: this state is not followed */
    bool unbalanced; /* the sums of the day are not those of the events */
};

extern struct pool *records, *texts, *images, *commands;
extern struct keys keys;
extern const char *const job_ids[JOBS], *const worker_ids[IDS], *const leases[LEASES];
extern const enum queue_id queue_ids[QUEUES];
extern char *job_docs[JOBS];

void store_open(void);
void store_close(void);
const struct image *image_of(uint32_t id);
uint32_t image_id(const struct image *i);
void image_sort(struct image *i); /* after a change of `delayed` */
/* command: in `commands`, as it goes to Redis. */
struct answer store_run(uint32_t image, uint32_t command);
/* Commands that ran on the server. */
uint64_t store_runs(void);

/* The reply of this number; it lives as long as the store. */
const struct reply *reply_of(uint32_t text);
/* A record's header by its number. */
const char *header_of(uint32_t record);
/* The same with all that is not due being due. */
uint32_t record_due(uint32_t record);

#endif
