/* chaos.h - random disorder among the real programs, and the books afterwards; this is the manual.
 *
 * A round is a world of its own: Redis with `appendfsync always`, a provider, a
 * receiver of webhooks, two schedulers, two supervisors with their processes,
 * and a network that breaks (cutter.h) between each of them.  Its plan is made
 * of one seed: which jobs are pushed (jobs.def), which events happen (events.def)
 * and when.  After some seconds of disorder everything is set right again, all
 * is left to settle, and the checks (checks.def) read the books.
 *
 *     plan.c      seed -> steps in the order of time
 *     cast.c      the programs: start, kill, restart
 *     jobs.c      documents by templates; pushing like a producer that tries again
 *     events*.c   what goes wrong
 *     settle.c    everything set right, and waiting until nothing is left to do
 *     checks*.c   what must hold then
 *     story.c     what is printed of a violation
 *     round.c     one round;  main.c: rounds until the time is over
 *
 * A new kind of job, event or check is a row of its table and, for the latter
 * two, one function.  A plan is the same for the same seed; what happens is not,
 * as the programs run in real time.
 */
#ifndef FLOTILLA_CHAOS_H
#define FLOTILLA_CHAOS_H

#include <stdio.h>

#include "common/core/base.h"
#include "tests/support/cutter.h"
#include "tests/support/world.h"

/* ---- random numbers of the seed (plan.c) ------------------------------------ */
struct dice {
    uint64_t state;
};
uint64_t dice_u64(struct dice *d);
int64_t dice_below(struct dice *d, int64_t bound);          /* 0 to bound - 1; 0 when bound < 1 */
int64_t dice_between(struct dice *d, int64_t a, int64_t b); /* a to b, both included */
bool dice_percent(struct dice *d, int percent);

/* ---- the tables ------------------------------------------------------------- */
enum job_kind {
#define X(symbol, weight, ends, traits, document) KIND_##symbol,
#include "tests/chaos/jobs.def"
    KIND_COUNT
};
enum { FREE = 1, HOOK = 2, REPLY = 4, TWICE = 8 }; /* traits, see jobs.def */
extern const struct kind {
    const char *name;
    int weight;
    const char *ends;
    unsigned traits;
    const char *document;
} kinds[KIND_COUNT];

struct round;
typedef void event_fn(struct round *r, struct dice *d);
extern const struct event {
    const char *name;
    int weight;
    event_fn *run;
} events[];
extern const size_t event_count;

/* ---- the plan --------------------------------------------------------------- */
struct step {
    int64_t at_ms;
    bool is_event;
    int what;        /* an index of events, or of kinds */
    struct dice own; /* random numbers of this step alone */
};
struct plan {
    struct step *steps;
    size_t count;
};
struct plan_size {
    int ms, events, jobs;
};
extern const struct plan_size plan_long, plan_short;
void plan_make(struct plan *p, struct dice *d, const struct plan_size *size);

/* ---- a round ---------------------------------------------------------------- */
enum { SCHEDULERS = 2, SUPERVISORS = 2, UNDOS_MAX = 64, ORPHANS_MAX = 512 };

enum role {
    ROLE_WORKER,
    ROLE_SUPERVISOR,
    ROLE_SCHEDULER,
    ROLE_REDIS,
    ROLE_PROVIDER,
    ROLE_RECEIVER,
    ROLE_COUNT
};
extern const char *const role_names[ROLE_COUNT];

struct counts {
    int64_t kills[ROLE_COUNT];
    int64_t stops, rollbacks, cuts, events, jobs, results, calls;
};

/* A job that was pushed. */
struct chaos_job {
    const char *id, *doc, *hook; /* hook: path of its receiver */
    enum job_kind kind;
    bool cancelled, replayed; /* somebody asked for it */
    bool again;               /* pushed once more: Redis may have forgotten the first push */
};

/* Something that ends later: a process goes on, a network is whole again. */
struct undo {
    int64_t at_ms; /* of now_ms() */
    void (*run)(struct round *r, int64_t what);
    int64_t what;
};

struct server { /* a simulator behind a network */
    struct program *program;
    struct cutter *net;
    char *url, *net_url; /* its own; what the programs are told */
    int port;            /* of the network */
    bool away;           /* stopped or killed: nothing can be asked of it */
};

struct round {
    struct world *w;
    uint64_t seed;
    int number;
    struct dice dice;
    struct cutter *net; /* between the programs and Redis */
    bool redis_away;
    struct server provider, receiver;
    struct program *schedulers[SCHEDULERS], *supervisors[SUPERVISORS];
    pid_t orphans[ORPHANS_MAX]; /* processes whose supervisor was killed */
    size_t orphan_count;
    struct chaos_job *jobs;
    size_t job_count, job_cap;
    size_t *backlog; /* jobs whose push has to be done again */
    size_t backlog_count, backlog_cap;
    struct undo undos[UNDOS_MAX];
    size_t undo_count;
    json_t *bill;              /* model -> nano-USD, of providers that were killed */
    json_t *deliveries;        /* what receivers that were killed had got */
    bool rolled_back;          /* Redis forgot transactions in this round */
    int64_t forgotten_nanousd; /* costs and estimates of the events that it forgot, and of the calls
                                  that were under way */
    struct counts counts;
    int64_t started_ms;
    FILE *log;
    int violations;
};

struct chaos_options {
    uint64_t seed;
    int round;
    struct plan_size size;
};
/* Run one round; fails the test (Check's) at a violation, after printing what is known. */
void chaos_round(const struct chaos_options *options, struct counts *add_to);

/* A line of the round's own log, and of stderr when it is a violation. */
void chaos_note(struct round *r, const char *fmt, ...) PRINTF(2, 3);
void chaos_undo_in(struct round *r, int64_t ms, void (*run)(struct round *, int64_t), int64_t what);
void chaos_undo_due(struct round *r, bool all);

/* ---- cast.c ----------------------------------------------------------------- */
void cast_start(struct round *r);
void cast_stop(struct round *r); /* TERM to all; each must end with 0 */
void cast_free(struct round *r);
/* Start again what ended because it did not reach Redis; anything else is a violation. */
void cast_tend(struct round *r);
void cast_new_scheduler(struct round *r, int i);
void cast_new_supervisor(struct round *r, int i);
void cast_config(struct round *r, struct dice *d); /* write flotilla.yaml, with other values */
void cast_kill(struct round *r, enum role role, pid_t pid); /* one worker process */
/* Remember the processes of a supervisor that is about to be killed. */
void cast_orphan(struct round *r, struct program *supervisor);
/* A provider or receiver: what it knows is read once its network is cut, then it is killed, and
 * another one starts in its place. */
void cast_replace(struct round *r, struct server *s);
void cast_redis_back(struct round *r, int64_t unused);
json_t *cast_ask(struct round *r, struct server *s, const char *method, const char *path,
                 const char *body); /* NULL: it did not answer */

/* ---- jobs.c ----------------------------------------------------------------- */
extern const char *const chat_models[];
extern const size_t chat_model_count;
void jobs_push_new(struct round *r, enum job_kind kind, struct dice *d);
void jobs_push_backlog(struct round *r);         /* what Redis takes of it */
void jobs_push_again(struct round *r, size_t i); /* puts it on the backlog */
struct chaos_job *jobs_find(struct round *r, const char *id);
struct chaos_job *jobs_any(struct round *r, struct dice *d); /* NULL: none yet */

/* ---- rollback.c ------------------------------------------------------------- */
/* Redis is killed, forgets its last transactions, and starts again. */
void rollback(struct round *r, int transactions);

/* ---- the end ---------------------------------------------------------------- */
void settle(struct round *r);
void checks_run(struct round *r);
/* What must hold does not.  id: whose story is told, or NULL. */
void violation(struct round *r, const char *id, const char *fmt, ...) PRINTF(3, 4);
void story_print(struct round *r, const char *id);

/* What the checks read, once. */
struct books {
    const struct results *results;
    json_t *costs;      /* documents */
    json_t *bill;       /* model -> nano-USD */
    json_t *deliveries; /* to the receiver */
};
#define X(symbol, help) void check_##symbol(struct round *r, struct books *b);
#include "tests/chaos/checks.def"

/* ---- soak.c ----------------------------------------------------------------- */
/* A steady load for minutes; true when memory was flat and nobody starved. */
bool soak(int minutes, int rate);

#endif
