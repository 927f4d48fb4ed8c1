/* recover.c - see recover.h.
 *
 *   SMEMBERS active --> prices, once --> HGETALL calls --> holds are charged (orphans.h)
 *        ^                                                         |
 *        |                         MGET 128 records --> defer / finish ...
 *        |                                                         |
 *        |          notes of other jobs' calls become events <-- the last of them
 *        |                      |
 *        +-- busy: some left -- bury --> done
 *
 * Holds are charged before anything deletes a note: a hold that is made later has a note that
 * bury.lua finds, whoever else recovers the same worker meanwhile.
 *
 * The worker is forgotten last, so whatever stops this in between, it is found dead again and all
 * is done again: each step changes nothing the second time.  Until then it may not be dead at all,
 * only cut off: what it claims or notes in between is found by bury.lua, and from then on it can do
 * neither.
 *
 * A call that it noted (notes.h) becomes the event that stands in the note.  A job without a note
 * was at most at a call that follows from its document; if Redis has forgotten the note with its
 * last second, the dearest call that the job may make is assumed (lost.h).
 *
 * Each job is moved only if its record still carries the dead worker's tag and
 * the transition number that was read, so recovering twice, or beside another
 * scheduler, changes nothing. */
#include "common/queue/recover.h"

#include <stdlib.h>
#include <string.h>

#include "common/budget/orphans.h"
#include "common/core/clock.h"
#include "common/core/xalloc.h"
#include "common/queue/blame.h"
#include "common/queue/ending.h"
#include "common/queue/notes.h"
#include "common/queue/scripts.h"
#include "common/queue/work.h"
#include "common/route/live.h"
#include "common/route/lost.h"

enum { CHUNK = 128, ROUNDS = 5 };

struct recover {
    struct recover_options o;
    struct settle_who who;
    struct job_defaults defaults;
    struct routes *routes; /* with the prices of now; NULL: not read yet */
    struct notes notes;    /* of its calls */
    struct recover_report report;
    recover_cb *cb;
    void *arg;
    char **ids;
    int *newer; /* of each id: the queue of a ready job that a newer program wrote; 0: it is none */
    size_t count, next, chunk;
    int rounds, waiting; /* settle calls under way */
    bool look_again;     /* something came in between: what is left is read once more */
    bool reaped;         /* somebody else had recovered it before */
    bool blamed;         /* the job to blame was among its active ones */
    size_t kept;         /* ids left where they are, for a newer program */
    struct err failed;
};

static void load(struct recover *v);

static void forget_ids(struct recover *v)
{
    for (size_t i = 0; i < v->count; i++)
        free(v->ids[i]);
    free(v->ids);
    free(v->newer);
    v->ids = NULL;
    v->newer = NULL;
    v->count = v->next = 0;
}

static void recover_end(struct recover *v, const struct err *err)
{
    forget_ids(v);
    notes_done(&v->notes);
    if (v->routes)
        routes_free(v->routes);
    v->cb(v->arg, &v->report, err);
    free((void *)(uintptr_t)v->o.worker);
    free((void *)(uintptr_t)v->o.what);
    free((void *)(uintptr_t)v->o.lease);
    free((void *)(uintptr_t)v->o.blame);
    free(v);
}

static void on_blamed(void *arg, bool ended, const struct err *err)
{
    struct recover *v = arg;

    v->report.ended += ended;
    recover_end(v, err);
}

static void buried(struct recover *v)
{
    if (v->reaped && !v->blamed)
        blame_start(&(struct blame_options){v->o.redis, v->o.cfg, &v->who, v->o.blame}, on_blamed,
                    v);
    else
        recover_end(v, NULL);
}

/* From here on the worker can start nothing: before, a start of one that was not dead could come
 * after the give-back, and its job would run under the name of nobody. */
static void give_newer_back(struct recover *v)
{
    for (size_t i = 0; i < v->count; i++) {
        const char *const ids[] = {v->ids[i]};

        if (v->newer[i])
            work_give_back(v->o.redis, v->o.keys,
                           &(struct work_give_back){v->o.worker, ids, &v->newer[i], 1, false}, NULL,
                           NULL);
    }
}

static void on_buried(void *arg, const struct reply *reply, const struct err *err)
{
    struct recover *v = arg;
    struct err gone = {0};

    if (!reply) {
        recover_end(v, err);
    } else if (reply_is(reply, "busy") && ++v->rounds < ROUNDS) {
        load(v);
    } else if (reply_is(reply, "ok")) {
        give_newer_back(v);
        buried(v);
    } else if (reply_is(reply, "alive")) {
        v->report.alive = true;
        recover_end(v, NULL);
    } else {
        err_set(&gone, ERR_REDIS, "%.*s", (int)reply_span(reply).n, reply_span(reply).p);
        recover_end(v, &gone);
    }
}

static void bury(struct recover *v)
{
    struct redis_args a;

    redis_args_make(&a, key(v->o.keys, KEY_LEASE), key(v->o.keys, KEY_WORKERS),
                    key_word(v->o.keys->active, v->o.worker),
                    key_word(v->o.keys->calls, v->o.worker), v->o.lease ? v->o.lease : "",
                    v->o.worker, v->o.what ? v->o.what : "", (int64_t)v->kept);
    redis_script(v->o.redis, script(SCRIPT_BURY), 4, &a, on_buried, v);
}

/* ---- costs of other jobs ---- */

static void on_told(void *arg, struct settle *s, const char *codes, const struct err *err)
{
    struct recover *v = arg;

    (void)codes;
    settle_free(s);
    if (err)
        recover_end(v, err);
    else
        bury(v);
}

/* Calls of jobs that are not active here any more, as their outcome came before, or somebody has
 * recovered them while the worker was still able to make calls: no claim is theirs. */
static void tell_rest(struct recover *v)
{
    static const struct record nobody = {.token = "0000000000000000"};
    struct settle *s = settle_new(SETTLE_TELL);
    const struct cost_event *e;

    while ((e = notes_rest(&v->notes, clock_wall_ms())))
        settle_tell(s, &(struct tell){e->job_id, &nobody, e, 1}, NULL);
    if (settle_count(s)) {
        settle_send(s, v->o.redis, &v->who, on_told, v);
    } else {
        settle_free(s);
        bury(v);
    }
}

/* ---- one job ---- */

/* Claimed, and not started when the worker died: only the hint must go back to a list.  A hint too
 * many does no harm. */
static void recover_claimed(struct recover *v, struct settle *back, const char *id,
                            const struct record *rec)
{
    int64_t wait = rec->due_ms - clock_wall_ms();
    const struct defer d = {
        .id = id, .held = rec, .next = *rec, .front = true, .delay_ms = max64(wait, 0)};

    settle_defer(back, &d, NULL);
    v->report.given_back++;
}

/* A job as its dead worker left it. */
struct left {
    const char *id;
    const struct record *rec;
    const struct job *job;
    struct span bytes; /* all of the record */
};

static void recover_active(struct recover *v, struct settle *back, struct settle *ends,
                           const struct left *l)
{
    const char *id = l->id;
    const struct record *rec = l->rec;
    const struct job *job = l->job;
    bool blamed = v->o.blame && !strcmp(v->o.blame, id);
    int crashes = rec->crashes + blamed;
    bool poison = blame_is_enough(v->o.cfg, crashes);
    struct cost_event lost;
    const struct cost_event *costs;
    size_t cost_count = notes_of_job(&v->notes, id, clock_wall_ms(), &costs);

    if (!cost_count && job->payload.p &&
        cost_of_lost_job(&lost, id, rec, job, &v->o.cfg->models, clock_wall_ms())) {
        route_lost(&lost, job, v->o.cfg, v->routes);
        costs = &lost;
        cost_count = 1;
    }
    v->blamed |= blamed;
    if (poison || rec->cancel_asked) {
        const struct ending_death d = {.id = id,
                                       .held = rec,
                                       .job = job,
                                       .bytes = l->bytes,
                                       .costs = costs,
                                       .cost_count = cost_count,
                                       .kind = poison ? ERR_POISON : ERR_CANCELLED,
                                       .crashes = crashes,
                                       .output_max = v->o.cfg->webhooks_output_bytes};

        ending_by_death(ends, &d);
        v->report.ended++;
    } else {
        struct defer d = {.id = id,
                          .held = rec,
                          .next = *rec,
                          .taken = true,
                          .front = true,
                          .costs = costs,
                          .cost_count = cost_count};

        d.next.crashes = crashes;
        settle_defer(back, &d, NULL);
        v->report.given_back++;
    }
}

/* Written by a newer program: it stays among the active ids.  A ready one goes back once the worker
 * is buried (give_newer_back); one that ran stays until a newer scheduler sweeps them. */
static void recover_newer(struct recover *v, size_t at, enum queue_id queue)
{
    v->kept++;
    v->newer[at] = (int)queue;
    if (queue != QUEUE_NONE) {
        v->report.given_back++;
        return;
    }
    free(v->ids[at]);
    v->ids[at] = NULL;
}

/* Nobody knows what it is: no look of a script would say more. */
static void drop_damaged(struct recover *v, size_t at)
{
    struct redis_args a;

    redis_args_make(&a, "SREM", key_word(v->o.keys->active, v->o.worker), v->ids[at]);
    redis_send(v->o.redis, &a, NULL, NULL);
    free(v->ids[at]);
    v->ids[at] = NULL;
}

static void recover_job(struct recover *v, struct settle *back, struct settle *ends, size_t at,
                        struct span bytes)
{
    const char *id = v->ids[at];
    struct record rec;
    struct job job;
    enum queue_id queue;

    if (bytes.p && record_is_newer(bytes.p, bytes.n, &queue)) {
        recover_newer(v, at, queue);
        return;
    }
    if (!record_read(bytes.p, bytes.n, &rec)) {
        if (bytes.p)
            drop_damaged(v, at);
        return;
    }
    if (rec.state == JOB_STATE_READY)
        recover_claimed(v, back, id, &rec);
    else if (rec.state == JOB_STATE_ACTIVE &&
             !strncmp(rec.token, work_tag(v->o.worker), WORKER_TAG)) {
        if (!job_read(record_doc(&rec, bytes.p, bytes.n), &v->defaults, &job))
            job = (struct job){0}; /* it calls nobody, and whoever starts it ends it */
        recover_active(v, back, ends,
                       &(struct left){.id = id, .rec = &rec, .job = &job, .bytes = bytes});
    }
}

/* ---- chunks ---- */

/* Ids that need no transition (their record ended, or lives elsewhere) only leave the set.  The
 * script looks once more: a worker that was not dead may have claimed one of those that went back.
 */
static void drop_ids(struct recover *v, size_t first, size_t n)
{
    struct redis_args a, ids;
    size_t nkeys;

    redis_args_init(&a);
    redis_args_init(&ids);
    keys_arg(&a, v->o.keys->active, v->o.worker);
    for (size_t i = first; i < first + n; i++) {
        if (!v->ids[i] || v->newer[i])
            continue;
        keys_arg(&a, v->o.keys->job, v->ids[i]);
        redis_arg_str(&ids, v->ids[i]);
    }
    nkeys = a.count;
    redis_args_append(&a, &ids);
    redis_args_done(&ids);
    if (nkeys > 1)
        redis_script(v->o.redis, script(SCRIPT_DROP), nkeys, &a, NULL, NULL);
    else
        redis_args_done(&a);
}

static void next_chunk(struct recover *v);

static void chunk_done(struct recover *v)
{
    if (v->failed.kind != ERR_NONE) {
        recover_end(v, &v->failed);
        return;
    }
    if (!v->look_again)
        drop_ids(v, v->next - v->chunk, v->chunk);
    v->look_again = false;
    next_chunk(v);
}

/* Stale: somebody else moved it, or a last start of the dead one's came in between. */
static void on_settled(void *arg, struct settle *s, const char *codes, const struct err *err)
{
    struct recover *v = arg;

    if (codes && (memchr(codes, SETTLE_CANCEL, settle_count(s)) ||
                  memchr(codes, SETTLE_STALE, settle_count(s))))
        v->look_again = true;
    settle_free(s);
    if (err)
        v->failed = *err;
    if (--v->waiting == 0)
        chunk_done(v);
}

/* The answer comes later. */
static void send_or_free(struct recover *v, struct settle *s)
{
    if (settle_count(s)) {
        v->waiting++;
        settle_send(s, v->o.redis, &v->who, on_settled, v);
    } else {
        settle_free(s);
    }
}

static void on_records(void *arg, const struct reply *reply, const struct err *err)
{
    struct recover *v = arg;
    struct settle *back, *ends;

    if (!reply) {
        recover_end(v, err);
        return;
    }
    back = settle_new(SETTLE_DEFER);
    ends = settle_new(SETTLE_FINISH);
    for (size_t i = 0; i < v->chunk; i++)
        recover_job(v, back, ends, v->next + i, reply_span(reply_at(reply, i)));
    v->next += v->chunk;
    v->waiting = 0;
    send_or_free(v, back);
    send_or_free(v, ends);
    if (v->waiting == 0)
        chunk_done(v);
}

static void next_chunk(struct recover *v)
{
    struct redis_args a;

    if (v->next == v->count) {
        tell_rest(v);
        return;
    }
    v->chunk = v->count - v->next < CHUNK ? v->count - v->next : CHUNK;
    redis_args_init(&a);
    redis_arg_str(&a, "MGET");
    for (size_t i = 0; i < v->chunk; i++)
        keys_arg(&a, v->o.keys->job, v->ids[v->next + i]);
    redis_send(v->o.redis, &a, on_records, v);
}

/* ---- the money ---- */

/* A key of another type must not keep jobs from running again: the holds are charged at their
 * deadline then. */
static void on_charged(void *arg, const struct err *err)
{
    struct recover *v = arg;

    if (err && err->kind == ERR_REDIS_LOST)
        recover_end(v, err);
    else
        next_chunk(v);
}

static void on_notes(void *arg, const struct reply *reply, const struct err *err)
{
    struct recover *v = arg;

    if (!reply && err->kind == ERR_REDIS_LOST) {
        recover_end(v, err);
        return;
    }
    notes_done(&v->notes);
    notes_read(&v->notes, reply);
    orphans_charge(v->o.redis, v->o.keys, v->o.worker, on_charged, v);
}

static void load_notes(struct recover *v)
{
    struct redis_args a;

    redis_args_make(&a, "HGETALL", key_word(v->o.keys->calls, v->o.worker));
    redis_send(v->o.redis, &a, on_notes, v);
}

static void on_live(void *arg, struct routes *take_t, const struct err *err)
{
    struct recover *v = arg;

    v->routes = take_t;
    if (err)
        recover_end(v, err);
    else
        load_notes(v);
}

static void on_ids(void *arg, const struct reply *reply, const struct err *err)
{
    struct recover *v = arg;

    if (!reply) {
        recover_end(v, err);
        return;
    }
    forget_ids(v);
    v->kept = 0;
    v->count = reply_count(reply);
    v->ids = xcalloc(v->count + 1, sizeof *v->ids);
    v->newer = xcalloc(v->count + 1, sizeof *v->newer);
    for (size_t i = 0; i < v->count; i++) {
        struct span id = reply_span(reply_at(reply, i));

        v->ids[i] = xstrndup(id.p, id.n);
    }
    if (v->count > 0 && !v->routes)
        live_read_dearest(v->o.redis, v->o.keys, v->o.cfg, on_live, v);
    else
        load_notes(v);
}

static void load(struct recover *v)
{
    struct redis_args a;

    redis_args_make(&a, "SMEMBERS", key_word(v->o.keys->active, v->o.worker));
    redis_send(v->o.redis, &a, on_ids, v);
}

/* ---- the start ---- */

static void on_known(void *arg, const struct reply *reply, const struct err *err)
{
    struct recover *v = arg;

    if (!reply) {
        recover_end(v, err);
        return;
    }
    v->reaped = reply_int(reply) == 0;
    load(v);
}

void recover_start(const struct recover_options *o, recover_cb *cb, void *arg)
{
    struct recover *v = xcalloc(1, sizeof *v);

    v->o = *o;
    v->o.worker = xstrdup(o->worker);
    v->o.what = xstrdup(o->what);
    v->o.lease = xstrdup(o->lease);
    v->o.blame = xstrdup(o->blame);
    v->cb = cb;
    v->arg = arg;
    v->who = (struct settle_who){.keys = v->o.keys,
                                 .worker = v->o.worker,
                                 .lease = v->o.lease,
                                 .ids_ms = v->o.cfg->retention_ids_ms,
                                 .dead_ms = v->o.cfg->retention_dead_ms,
                                 .reply_ms = v->o.cfg->limits_reply_ttl_ms};
    job_defaults_from(&v->defaults, o->cfg);
    if (v->o.blame)
        redis_sendv(v->o.redis, on_known, v, "HEXISTS", key(v->o.keys, KEY_WORKERS), v->o.worker,
                    NULL);
    else
        load(v);
}
