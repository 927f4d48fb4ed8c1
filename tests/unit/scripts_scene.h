/* scripts_scene.h - the Lua scripts on a private redis-server, driven one call at a time.
 *
 * Words are split at blanks; "@x" is the key fl:{0}:x, "@QUEUES" the ready and wake keys of all
 * queues, "''" an empty word.  Answers come as text: [a b [c] nil 3].  The lease is held by "L". */
#ifndef FLOTILLA_TESTS_SCRIPTS_SCENE_H
#define FLOTILLA_TESTS_SCRIPTS_SCENE_H

#include <check.h>

#include "common/queue/keys.h"
#include "common/queue/scripts.h"
#include "common/queue/settle.h"

#define W     "w-aaaaaaaa" /* a worker that is registered, and a token of it */
#define TOKEN "aaaaaaaa00000001"

/* Checked fixtures: a server, a connection, the lease, and the worker W. */
void scene_open(void);
void scene_close(void);
struct redis *scene_redis(void);
struct loop *scene_loop(void);
const struct keys *scene_keys(void);
void scene_turn_until(const bool *done);

/* A plain command, a script ("keys | arguments"): its answer; good until the next three calls. */
const char *says(const char *words);
const char *script_says(enum script_id id, const char *words);
/* Take one document through job_check and submit: its letter. */
char submit_one(const char *doc);
/* The same of one that BLMOVE has put into `taken`, which is dropped from there. */
char submit_moved(const char *doc);
/* Claim and start one noop as that worker with that token: true when it is active now. */
bool claim_one(const char *worker, const char *token, const char *id);
/* Submit a noop and start it so: as W holds it. */
struct record running(const char *id);
/* The header as it is in Redis; fails the test when there is none. */
struct record record_of_job(const char *id);
char state_of(const char *id); /* its letter; '-' when there is no record */

/* One outcome as a batch of its own, as that worker (NULL: nobody's): its letter, or '!' and the
 * reason in *why (may be NULL). */
char finish_one(const char *worker, const struct finish *f);
char defer_one(const char *worker, const struct defer *d);
/* A plain ending of a job as it was held; the caller may change it. */
struct finish plain_finish(const char *id, const struct record *held);
struct cost_event plain_cost(const char *event_id, int64_t nanousd);

#define CK_SAYS(words, answer) ck_assert_str_eq(says(words), answer)
#define CK_SCRIPT(script_name, words, answer) \
    ck_assert_str_eq(script_says(SCRIPT_##script_name, words), answer)

#endif
