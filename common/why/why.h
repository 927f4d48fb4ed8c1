/* why.h - why is this job not done yet, when should it start, and what should it cost?
 *
 *     why_ask(&options, "order-4711", on_answer, arg);
 *
 * The facts are read from Redis in two rounds (the record, then what it depends
 * on), nothing is changed, and no list is walked further than LOOK ids.  From
 * the facts why_decide, which is pure, takes the first reason of why.def that
 * holds.  The command line prints the answer; HTTP serves the same document:
 *
 *   {"id","state","reason","text","until","starts_at","ahead","failures",
 *    "last_failure","unknown","cost_at_most_nanousd"}
 *
 *   reason     a code of why.def, for programs
 *   text       the same for people, with figures
 *   until      when that reason ends, as far as it is known; null
 *   starts_at  when the job should start, by the pace of the last minute; null: cannot be told
 *   ahead      jobs before it in its queue; null when it is in none
 *   failures   how often it was put aside or tried again for an error
 *   last_failure  the last of these errors, in the provider's words where it was one; null: none
 *   unknown    what Redis refused to tell, a list of words; the reason is found without it
 *   cost_at_most_nanousd  the most its next call can cost; null when it calls nobody, or there is
 *              no price
 */
#ifndef FLOTILLA_WHY_H
#define FLOTILLA_WHY_H

#include "common/config/config.h"
#include "common/queue/job.h"
#include "common/queue/keys.h"
#include "common/queue/record.h"

enum why_reason {
#define X(REASON, code, text) WHY_##REASON,
#include "common/why/why.def"
    WHY_COUNT
};

/* What is known of a job and of what it waits for.  Times in ms, Redis's clock. */
struct why_facts {
    struct record rec;
    int64_t now_ms;
    bool listed;         /* found in its queue's list, within the part that was looked at */
    int64_t length;      /* of that list */
    int64_t ahead;       /* ids before it, when listed */
    bool paused;         /* its queue */
    bool due, scheduler; /* it still stands among the delayed ones; somebody holds the lease */
    int64_t workers, slots, running; /* of processes that take from its queue and do not drain */
    int64_t others;                  /* processes that do not */
    int64_t finished, finished_ms;   /* so many jobs ended in so many ms, lately */
    char stop[64];                   /* why a provider key is stopped, "" none is */
    char no_key[64];   /* the provider that has no key, also by what workers told; "" it has one */
    char rate[120];    /* how far its turn is at the provider's rate, in figures; "" not known */
    int64_t turn_ms;   /* when that is, at the rate of now; 0 unknown */
    char route[400];   /* its model's breaker is not closed: the words for it; "" it is closed */
    int64_t route_ms;  /* when that may change; 0 unknown */
    char budget[300];  /* what of the budget that it waits for is spent; "" not known */
    int64_t full_ms;   /* that has no room before then; 0: it may have */
    char error[300];   /* what its result says went wrong; "" nothing did, or it has none yet */
    int64_t failures;  /* so often it was put aside or tried again for an error */
    char failure[512]; /* the last of them; "" there was none */
    char unknown[200]; /* facts that Redis refused, "workers, pace"; "" none */
    bool no_place, no_workers;    /* length or place, or workers, are among them */
    int64_t cost_at_most_nanousd; /* -1: cannot be told */
};

struct why {
    enum why_reason reason;
    char text[1200];
    int64_t until_ms;  /* 0: not known */
    int64_t starts_ms; /* 0: cannot be told */
};
void why_decide(const struct why_facts *f, struct why *ret);
const char *why_code(enum why_reason reason);
void why_write(const char *id, const struct why_facts *f, const struct why *w, struct buf *out);

/* found: the answer, borrowed; NULL with err: no such job (NOT_FOUND), or Redis failed. */
struct why_answer {
    const char *id;
    struct why_facts facts;
    struct why why;
};
typedef void why_cb(void *arg, const struct why_answer *answer, const struct err *err);
struct why_options { /* all borrowed until the callback */
    struct redis *redis;
    const struct keys *keys;
    const struct config *cfg;
    const struct job_defaults *defaults;
};
void why_ask(const struct why_options *o, const char *id, why_cb *cb, void *arg);

#endif
