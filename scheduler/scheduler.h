/* scheduler.h - the control plane: its parts, and what they share.
 *
 *            lease  (one holder; the others stand by)
 *              |
 *   intake ----+---- promoter ---- reaper ---- expirer ---- housekeeper ---- herald ---- clerk
 *   LPUSHed    |     due jobs      dead        jobs not     bounds on        alerts to   catalogues
 *   documents  |     become ready  workers     started      what grows       a webhook   to fetch
 *              |
 *              +---- rescuer
 *              |     jobs that nothing names
 *              |
 *        every write carries the lease's token, so a deposed scheduler writes nothing
 *
 * A part is started when the lease is gained (x_start) and stopped when it is
 * lost (x_stop); both are idempotent, and a stopped part ignores late answers.
 */
#ifndef FLOTILLA_SCHEDULER_H
#define FLOTILLA_SCHEDULER_H

#include "common/config/config.h"
#include "common/io/loop.h"
#include "common/io/redis.h"
#include "common/queue/keys.h"

struct lease;
struct intake;
struct promoter;
struct reaper;
struct expirer;
struct housekeeper;
struct rescuer;
struct herald;
struct clerk;

struct scheduler {
    struct loop *loop;
    struct config *cfg;
    struct keys keys;
    struct redis *redis;       /* scripts and short commands */
    struct redis *intake_wait; /* blocks on intake */
    struct redis *bell_wait;   /* blocks on the bell */
    struct lease *lease;
    struct intake *intake;
    struct promoter *promoter;
    struct reaper *reaper;
    struct expirer *expirer;
    struct housekeeper *housekeeper;
    struct rescuer *rescuer;
    struct herald *herald;
    struct clerk *clerk;
};

/* Connect and start; false with err on a bad URL. */
NODISCARD bool scheduler_start(struct scheduler *s, struct err *err);
/* Give the lease up and close; what was in hand stays in `taken`. */
void scheduler_stop(struct scheduler *s);

/* ---- lease.c ---- */
struct lease *lease_new(struct scheduler *s);
void lease_free(struct lease *l);
bool lease_is_held(const struct lease *l);
const char *lease_token(const struct lease *l);
/* A script answered `deposed`: somebody else holds it now. */
void lease_lost(struct lease *l);
void lease_on_ready(struct lease *l);
void lease_release(struct lease *l);

/* ---- intake.c ---- */
struct intake *intake_new(struct scheduler *s);
void intake_free(struct intake *i);
void intake_start(struct intake *i);
void intake_stop(struct intake *i);
/* Take nothing, and why (a literal); NULL: take.  It starts blocked. */
void intake_block(struct intake *i, const char *why);

/* ---- promoter.c ---- */
struct promoter *promoter_new(struct scheduler *s);
void promoter_free(struct promoter *p);
void promoter_start(struct promoter *p);
void promoter_stop(struct promoter *p);
/* A job is due in so many ms: look then at the latest. */
void promoter_due_in(struct promoter *p, int64_t ms);

/* ---- reaper.c ---- */
struct reaper *reaper_new(struct scheduler *s);
void reaper_free(struct reaper *r);
void reaper_start(struct reaper *r);
void reaper_stop(struct reaper *r);
/* All workers and their heartbeats, as Redis has them now. */
void reaper_see(struct reaper *r, const struct reply *workers);
/* False: no worker was registered at the last look. */
bool reaper_may_have_workers(const struct reaper *r);

/* ---- expirer.c ---- */
struct expirer *expirer_new(struct scheduler *s);
void expirer_free(struct expirer *e);
void expirer_start(struct expirer *e);
void expirer_stop(struct expirer *e);
/* A new job expires in that many ms: the expirer looks then. */
void expirer_due_in(struct expirer *e, int64_t ms);

/* ---- housekeeper.c ---- */
struct housekeeper *housekeeper_new(struct scheduler *s);
void housekeeper_free(struct housekeeper *h);
void housekeeper_start(struct housekeeper *h);
void housekeeper_stop(struct housekeeper *h);

/* ---- rescuer.c ---- */
struct rescuer *rescuer_new(struct scheduler *s);
void rescuer_free(struct rescuer *r);
void rescuer_start(struct rescuer *r);
void rescuer_stop(struct rescuer *r);

/* ---- herald.c ---- */
struct herald *herald_new(struct scheduler *s);
void herald_free(struct herald *h);
void herald_start(struct herald *h);
void herald_stop(struct herald *h);
/* The id of the newest alert in Redis; empty when the stream is empty. */
void herald_newest(struct herald *h, struct span id);

/* ---- clerk.c ---- */
struct clerk *clerk_new(struct scheduler *s);
void clerk_free(struct clerk *c);
void clerk_start(struct clerk *c);
void clerk_stop(struct clerk *c);

/* Tell the team (stream alerts), at most once per subject in an hour. */
void scheduler_alert(struct scheduler *s, const char *code, const char *subject,
                     const char *message);
/* True when a reply is {'deposed'} or 'deposed'; the lease is then given up here too. */
bool scheduler_deposed(struct scheduler *s, const struct reply *reply);

#endif
