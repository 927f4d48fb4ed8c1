/* world.h - a whole private flotilla for one test; this header is the manual.
 *
 *     START_TEST(a_job_survives_its_worker)
 *     {
 *         struct world *w = world_new(.simulator = true);
 *         struct program *worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
 *
 *         world_start_scheduler(w);
 *         world_push(w, "{'id':'a','type':'noop','payload':{'sleep_ms':500}}");
 *         WAIT_UNTIL(w, 5000, world_int(w, "LLEN fl:{0}:ready:noop") == 0);
 *         program_kill(worker);
 *         world_start_worker(w);
 *         world_wait_results(w, 1, 20000);
 *         world_check_one_result_each(w, 1);
 *         world_free(w);
 *     }
 *
 * A world has a directory of its own, a redis-server on a unix socket, and on
 * request the simulator and a faulty network before Redis (proxy.h).  The
 * programs are the real ones of the build directory, told by environment only.
 * Each test makes its world and frees it; one world at a time.
 *
 * When something is not as expected the functions here fail the test, after
 * printing the last lines of every program.  The directory of a failed test is
 * kept, with the stdout and stderr of each program, and the runner names it.
 * Nothing outlives a test, however it ends (program.c says how).
 *
 * Waits: WAIT_UNTIL looks every few milliseconds and fails at once when a
 * program ended that the test did not end itself.  All time-outs here stretch
 * with CK_TIMEOUT_MULTIPLIER, as Check's own.
 *
 * What is returned belongs to the world and lives as long as it, unless said.
 * To extend: settings of all worlds are fields of world_options; the files are
 * world.c (life, programs, waiting), world_redis.c (server and commands),
 * world_jobs.c (jobs in, documents out, the universal checks), world_money.c, world_sim.c.
 */
#ifndef FLOTILLA_TESTS_WORLD_H
#define FLOTILLA_TESTS_WORLD_H

#include <hiredis/hiredis.h>
#include <jansson.h>

#include "common/core/base.h"
#include "tests/support/program.h"
#include "tests/support/proxy.h"
#include "tests/support/web.h"

#define SENTINEL __attribute__((sentinel))

/* ---- life ------------------------------------------------------------------- */
struct world_options {
    const char *test; /* filled by world_new */
    const char
        *appendfsync; /* "always" or "everysec": an append-only file; NULL: Redis keeps nothing */
    int64_t maxmemory_bytes;           /* 0: no limit; the policy is noeviction */
    bool tcp;                          /* Redis listens on 127.0.0.1:w->redis_port too */
    bool proxy;                        /* the programs reach Redis through w->proxy */
    bool simulator;                    /* together-sim runs, and the programs use it */
    const char *const *simulator_args; /* NULL-terminated, beside --listen */
};

struct world {
    char *dir;          /* also the programs' working and data directory */
    char *redis_socket; /* the server's own */
    char *redis_url;    /* of the socket, or the proxy's; programs log in as their own user there */
    int redis_port;     /* with .tcp */
    struct proxy *proxy;
    struct program *redis; /* NULL while it is not running */
    struct program *sim;
    char *sim_url; /* "http://127.0.0.1:PORT", without /v1 */
    int http_port; /* of the scheduler started last */
    struct world_private *private;
};

/* world_new(), world_new(.simulator = true, .appendfsync = "always") */
#define world_new(...) world_new_with(&(struct world_options){.test = __func__, __VA_ARGS__})
struct world *world_new_with(const struct world_options *options);
/* Kill everything and remove the directory.  Fails the test when a program ended by
 * itself with a signal or left a sanitizer's report, and hands the documents of this
 * world to FLOTILLA_COLLECT (see below). */
void world_free(struct world *w);
/* For runners: make the directory in which worlds make theirs, in $TMPDIR or /tmp; ends the program
 * when it cannot. */
void world_make_root(char *path, size_t size);
/* Tie memory to the world. */
void *world_own(struct world *w, void *take_p, void (*free_func)(void *));
char *world_text(struct world *w, const char *fmt, ...) PRINTF(2, 3);
/* A file of that name in its directory, new or anew: the path. */
char *world_file(struct world *w, const char *name, const char *text);
/* Its flotilla.yaml: the setting "FLOTILLA_CONFIG=..." for programs. */
char *world_config(struct world *w, const char *text);

/* ---- programs --------------------------------------------------------------- */
/* world_start_worker(w), world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1", ...): what follows
 * the world are settings "NAME=value", which win over the world's own; "NAME" removes one.
 * The world tells REDIS_URL, TOGETHER_BASE_URL and TOGETHER_API_KEY (with the simulator),
 * FLOTILLA_DATA_DIR, FLOTILLA_HTTP_LISTEN (a free port for each scheduler), and
 * FLOTILLA_ROUTING_CATALOGUE_MS=0. */
#define world_start_scheduler(...) world_start_scheduler_with(__VA_ARGS__, NULL)
#define world_start_worker(...)    world_start_worker_with(__VA_ARGS__, NULL)
struct program *world_start_scheduler_with(struct world *w, ...) SENTINEL;
struct program *world_start_worker_with(struct world *w, ...) SENTINEL;
/* The build directory: that of the running test binary. */
const char *world_build_dir(void);
/* Any program: of the build directory, or with a slash in its name.  args without argv[0];
 * both lists NULL-terminated, or NULL. */
struct program *world_start(struct world *w, const char *name, const char *const *args,
                            const char *const *settings);
/* SIGTERM; fails the test unless it ends with 0 within timeout_ms. */
#define world_stop(w, p, timeout_ms) world_stop_at(w, p, timeout_ms, __FILE__, __LINE__)
void world_stop_at(struct world *w, struct program *p, int timeout_ms, const char *file, int line);
/* Wait until the scheduler started last answers GET /readyz with 200. */
void world_wait_ready(struct world *w);
/* The worker processes of this supervisor, at most max. */
size_t world_worker_pids(struct program *supervisor, pid_t *pids, size_t max);

/* Run the command line to its end (30 s): world_cli(w, "queues", "--json"). */
struct cli {
    int exit_code; /* -SIGNAL when killed */
    char *out, *err;
};
#define world_cli(w, ...) world_cli_run(w, NULL, (const char *const[]){__VA_ARGS__, NULL})
#define world_cli_input(w, input, ...) \
    world_cli_run(w, input, (const char *const[]){__VA_ARGS__, NULL})
struct cli world_cli_run(struct world *w, const char *input, const char *const *args);
json_t *world_json(struct world *w,
                   const char *text); /* parsed; fails the test when it is not JSON */

/* The scheduler's HTTP API: path from "/"; body NULL or JSON in the style of world_push. */
struct web_answer world_http(struct world *w, const char *method, const char *path,
                             const char *body);

/* ---- waiting ---------------------------------------------------------------- */
/* Evaluate expr every few milliseconds until it is true; fail with its text after timeout_ms. */
#define WAIT_UNTIL(w, timeout_ms, expr)                            \
    do {                                                           \
        int64_t until_ = now_ms() + patience_ms(timeout_ms);       \
        while (!(expr))                                            \
            world_wait_more(w, until_, #expr, __FILE__, __LINE__); \
    } while (0)
void world_wait_more(struct world *w, int64_t until_ms, const char *what, const char *file,
                     int line);
/* Fail the test here, after the last lines of all programs. */
#define world_fail(w, ...) world_fail_at(w, __FILE__, __LINE__, __VA_ARGS__)
NORETURN void world_fail_at(struct world *w, const char *file, int line, const char *fmt, ...)
    PRINTF(4, 5);
int world_free_port(void); /* a port of 127.0.0.1 that nobody has right now */

/* ---- Redis ------------------------------------------------------------------ */
/* A command in hiredis' format (%s %lld %b), straight to the server, never by the
 * proxy.  The reply is good until the eighth command after it.  An error reply, or
 * none within 5 s, fails the test. */
redisReply *world_redis(struct world *w, const char *fmt, ...);
int64_t world_int(struct world *w, const char *fmt, ...); /* of an integer reply; 0 for nil */
const char *world_string(struct world *w, const char *fmt,
                         ...); /* of a string reply; NULL for nil */
/* One that may fail: NULL when there was no answer; look at type for error replies. */
redisReply *world_redis_try(struct world *w, const char *fmt, ...);

void world_redis_start(
    struct world *w); /* after kill or stop: the same directory, socket and port */
/* The address for a user of deploy/redis/users.acl: of REDIS_URL, or of a connection. */
const char *world_redis_url_as(struct world *w, const char *user);
void world_redis_kill(struct world *w);   /* SIGKILL */
void world_redis_stop(struct world *w);   /* SIGTERM, waits */
void world_redis_freeze(struct world *w); /* SIGSTOP: connections stay, nothing answers */
void world_redis_thaw(struct world *w);

/* ---- jobs in ---------------------------------------------------------------- */
/* LPUSH one document to the intake.  printf format in which ' stands for ", so a value
 * with an apostrophe goes through world_push_raw or world_push_json. */
void world_push(struct world *w, const char *fmt, ...) PRINTF(2, 3);
void world_push_json(struct world *w, json_t *take_doc);
/* As it is, bad or not; not collected as an example of a job. */
void world_push_raw(struct world *w, const void *p, size_t n);
/* {"id":ID,"type":"noop","payload":{"result":"xxx..."}} of exactly n bytes. */
char *world_noop_of(struct world *w, const char *id, size_t n);
/* count chat jobs q-0, q-1, ... about grade-school mathematics: GSM8K where FLOTILLA_DATA
 * or ../shared/data has it, else made-up sums.  members: more members of the job document
 * in the style of world_push ("'priority':'batch'"), or NULL. */
void world_push_questions(struct world *w, int count, const char *members);

/* ---- documents out ---------------------------------------------------------- */
struct result {
    const char *id, *status;
    int64_t run;
    json_t *doc;
};
struct results {
    size_t count;
    struct result *items; /* in the order they were finished */
};
/* All there are now; each call reads anew, and the earlier lists stay good. */
const struct results *world_results(struct world *w);
/* Wait for n entries of fl:{0}:results, then read all. */
const struct results *world_wait_results(struct world *w, int64_t n, int timeout_ms);
const struct result *world_result(struct world *w,
                                  const char *id); /* last run; fails when there is none */
json_t *world_costs(struct world *w);              /* array of the documents of fl:{0}:costs */
json_t *world_alerts(struct world *w);             /* array of the documents of fl:{0}:alerts */
bool world_has_alert(struct world *w, const char *code);
/* A field of an entry of a stream; NULL when it has none. */
const redisReply *world_field(const redisReply *entry, const char *name);
/* A value by path, "error.code" or "choices.0.text"; NULL when not there. */
json_t *world_at(json_t *doc, const char *path);
const char *world_string_at(json_t *doc, const char *path); /* "" when not there or no string */
int64_t world_int_at(json_t *doc, const char *path);        /* 0 when not there or no number */

/* ---- the universal checks --------------------------------------------------- */
/* Exactly n different jobs have a result, each (id, run) exactly one, with an end status. */
void world_check_one_result_each(struct world *w, int64_t n);
/* Confirmed costs <= the simulator's bill <= confirmed + estimates, and events are unique. */
struct money {
    int64_t confirmed_nanousd, estimated_nanousd, billed_nanousd;
};
struct money world_check_money(struct world *w);
/* What budgets reserve is what calls under way may cost, each of a worker that lives; soon, for the
 * last outcomes are just being written.  world_free does this by itself. */
void world_check_reserved(struct world *w);

/* Redis refused no program anything for want of a right; world_free checks it too.  A test that
 * is refused on purpose forgets it with ACL LOG RESET. */
void world_check_rights(struct world *w);

/* With FLOTILLA_COLLECT=DIR in the environment, world_free appends the documents that it
 * saw to DIR/{job,result,cost,alert,webhook}.jsonl; tests/integration/schemas checks them. */

/* ---- the simulator ---------------------------------------------------------- */
/* Done by .simulator; again after program_kill(w->sim), with another port: programs that
 * shall find it are started after it. */
void world_start_simulator(struct world *w, const char *const *args);
/* One or a list: "{'model':'m','status':429,'headers':{'retry-after':'1'},'times':3}".
 * tests/sim/sim_fault.h tells all members. */
void world_sim_faults(struct world *w, const char *fmt, ...) PRINTF(2, 3);
void world_sim_latency(struct world *w, int ms); /* of all models */
json_t *world_sim_ledger(struct world *w);       /* without items */
json_t *world_sim_items(struct world *w);        /* the ledger's items */
void world_sim_reset(struct world *w);
/* Any request to the simulator; fails the test unless the status is 2xx. */
json_t *world_sim(struct world *w, const char *method, const char *path, const char *body);

/* The simulator receives webhooks too.  With it, programs may call 127.0.0.0/8. */
const char *world_hook_url(struct world *w, const char *name);
/* What the receiver answers from now on, as faults (name a path to mean one receiver). */
void world_hook_rules(struct world *w, const char *fmt, ...) PRINTF(2, 3);
json_t *world_hooks(struct world *w); /* deliveries: path, status, headers, body (a text), ... */

#endif
