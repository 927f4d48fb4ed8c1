/* demo.h - what the parts of the demo share.
 *
 *   plan.c    the 500 documents, what must become of each, and the faults
 *   watch.c   pushes them, shows the progress, kills a worker
 *   gather.c  reads back results, records, costs and webhooks
 *   report.c  says what happened and whether it is what must have happened
 *   talk.c    Redis and the simulator, one call at a time;  show.c  the terminal
 *
 * Nothing here is specific to the worker's inside but the signature of webhooks:
 * what the demo knows, it reads from Redis as any producer could. */
#ifndef FLOTILLA_DEMO_H
#define FLOTILLA_DEMO_H

#include <jansson.h>
#include <sys/types.h>

#include "common/config/config.h"
#include "common/core/buf.h"
#include "common/io/loop.h"
#include "common/io/redis.h"
#include "common/queue/keys.h"

enum { DOCUMENTS = 500, QUESTIONS = 400, HELD_MAX = 256, REFUSED_MAX = 32, MODELS_MAX = 16 };

struct question {
    char *text, *answer;
};

enum must { MUST_COMPLETE, MUST_FAIL, MUST_BE_REJECTED, MUST_CHANGE_NOTHING };

/* One document: what is pushed, what must come of it, what came. */
struct planned {
    char id[80];
    const char *kind;
    char *doc; /* owned */
    enum must must;
    const char *code; /* the error that it must end with */
    const char *question_answer;
    bool webhook, troubled; /* troubled: it meets a fault of its own */
    /* what came */
    int results;
    char status[16], result_code[32];
    bool right; /* the answer is the one to its question */
    int attempts, parks;
    int64_t cost_nanousd;
    int webhooks; /* deliveries that the receiver took */
};

struct refused { /* a rejected document, as its result tells it */
    char name[80], code[32], message[256];
};

struct model_sum {
    char name[80];
    int64_t calls, cost_nanousd, estimate_nanousd;
};

/* The worker that was killed, and the jobs in its hands. */
struct killed {
    pid_t pid;
    size_t count, back; /* jobs it held; of them claimed again by others, or ended */
    struct {
        char id[80];
        uint32_t tnum;
        bool back;
    } held[HELD_MAX];
    int64_t at_ms, back_ms; /* back_ms: from the kill to the last one */
};

struct money {
    int64_t confirmed, estimated, duplicates, unconfirmed_calls; /* cost events */
    int64_t results, days;                                       /* the two other books */
    int64_t billed, requests;                                    /* the provider's */
};

struct demo {
    struct config *cfg;
    struct loop *loop;
    struct redis *redis;
    struct keys keys;
    struct http_client *http;
    const char *sim; /* "http://127.0.0.1:PORT" */
    bool real;       /* the provider is real: no faults, no look into its books */
    struct question questions[QUESTIONS];
    bool gsm8k;
    struct planned plan[DOCUMENTS];
    size_t count, want_results, want_webhooks;
    int64_t started_ms, took_ms;
    struct killed killed;
    /* gathered */
    struct refused refused[REFUSED_MAX];
    size_t refused_count, unknown_results;
    struct model_sum models[MODELS_MAX];
    size_t model_count;
    struct money money;
    int64_t throttled, failed_500; /* answers of the simulator */
    int64_t cut_by_kill;           /* calls that the killed worker had in flight */
    size_t hooks, hooks_verified, hooks_refused, hooks_again;
};

/* questions.c: GSM8K when it is at hand, else sums of our own. */
void questions_load(struct demo *d);
void questions_print(const struct demo *d); /* as --answers of the simulator wants them */

/* plan.c */
void plan_documents(struct demo *d);
/* The job with that id; NULL when it is none of ours (a webhook's, a refused one). */
struct planned *plan_find(struct demo *d, const char *id);
NODISCARD bool plan_faults(struct demo *d, struct err *err);

/* talk.c */
NODISCARD bool talk_open(struct demo *d, struct err *err);
void talk_close(struct demo *d);
/* A command of NUL-terminated words; the reply is good until the next.  NULL: it failed. */
const struct reply *talk(struct demo *d, ...) __attribute__((sentinel));
#define talk_int(...) reply_int(talk(__VA_ARGS__))
/* GET (body NULL) or POST to the simulator; NULL with err.  Own the value. */
json_t *talk_sim(struct demo *d, const char *path, const char *body, struct err *err);
/* Remove every key of this demo. */
void talk_clean(struct demo *d);

/* watch.c */
NODISCARD bool watch_workers(struct demo *d, struct err *err); /* until they are there */
void watch_push(struct demo *d);
/* Until nothing is left to do, or `patience_ms` is over (false). */
NODISCARD bool watch_run(struct demo *d, int64_t patience_ms);

/* gather.c */
NODISCARD bool gather(struct demo *d, struct err *err);

/* report.c: true when everything is as it must be. */
bool report(struct demo *d);
void report_alerts(struct demo *d); /* what the fleet itself says is wrong */

/* show.c */
void show_init(void);
enum tint { TINT_NONE, TINT_BOLD, TINT_DIM, TINT_GOOD, TINT_BAD, TINT_WARN };
const char *tint(enum tint t); /* TINT_NONE ends one; "" where colours are not wanted */
const char *show_dot(void);
void show_event(const struct demo *d, const char *fmt, ...) PRINTF(2, 3);
/* The last line, drawn anew (on a terminal), or a plain line a second. */
void show_progress(const struct demo *d, size_t done, size_t total, const char *text);
void show_progress_end(void);
void show_heading(const char *title);
void show_claim(bool holds, const char *fmt, ...) PRINTF(2, 3);
size_t show_claims_failed(void);
size_t show_claims(void);

#endif
