/* change.c - commands that change something: cancel, retry, pause, resume, scale.
 *
 * Jobs are changed through the same scripts as everywhere: a waiting job is
 * ended here and now by finish.lua, a running one is flagged for its worker;
 * whoever was quicker wins by the transition number. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/parse.h"
#include "common/core/xalloc.h"
#include "common/queue/ending.h"
#include "common/queue/scripts.h"
#include "scheduler/cli/cli.h"

enum { TRIES = 5, REPLAY_JOBS = 128, LIST_MAX = 10000 };

/* ---- cancel ---- */

static struct settle *cancelled_ending(struct cli *c, const char *id, const struct record *rec,
                                       struct span bytes)
{
    struct settle *s = settle_new(SETTLE_FINISH);
    struct result r;
    struct ending e;
    struct job job;
    struct err err = {0};

    if (!job_read(record_doc(rec, bytes.p, bytes.n), &c->defaults, &job)) {
        settle_free(s);
        return NULL;
    }
    err_set(&err, ERR_CANCELLED, "cancelled before it ran");
    result_from(&r, id, rec, &job, bytes);
    r.status = JOB_STATE_CANCELLED;
    r.err = &err;
    r.finished_ms = clock_wall_ms();
    ending_make(&e, id, rec, &job, &r, c->cfg->webhooks_output_bytes);
    settle_finish(s, &e.finish, NULL);
    ending_done(&e);
    return s;
}

/* True when it was written. */
static bool end_waiting(struct cli *c, const char *id, const struct record *rec, struct span bytes)
{
    const struct settle_who who = {.keys = &c->keys,
                                   .ids_ms = c->cfg->retention_ids_ms,
                                   .dead_ms = c->cfg->retention_dead_ms,
                                   .reply_ms = c->cfg->limits_reply_ttl_ms};
    struct settle *s = cancelled_ending(c, id, rec, bytes);
    struct redis_args a;
    const struct reply *reply;
    bool written;

    if (!s)
        return false;
    settle_args(s, &who, &a);
    reply = cli_call(c, &a);
    written = reply_span(reply_at(reply, 1)).n == 1 &&
              reply_span(reply_at(reply, 1)).p[0] == SETTLE_WRITTEN;
    settle_free(s);
    return written;
}

static bool flag_running(struct cli *c, const char *id, const struct record *rec)
{
    struct redis_args a;
    char claim[32];

    snprintf(claim, sizeof claim, "%06x%s", rec->tnum, rec->token);
    redis_args_make(&a, "EVAL", script(SCRIPT_CANCEL)->text, 2, key_word(c->keys.job, id),
                    key(&c->keys, KEY_CANCELS), id, claim);
    return reply_is(cli_call(c, &a), "ok");
}

/* Nothing is left of it in the list that it waited in.  A long list of a queue keeps the id, which
 * a worker passes over: to look for it would hold up Redis. */
static void leave_list(struct cli *c, const char *id, const struct record *rec)
{
    char member[160];
    int64_t n = 0;

    snprintf(member, sizeof member, "%s/%s", queue_name(rec->queue), id);
    (void)cli_callv(c, "ZREM", key(&c->keys, KEY_DELAYED), member, NULL);
    if (cli_number(c, &n, "LLEN", c->keys.ready[rec->queue], NULL) && n > 0 && n <= LIST_MAX)
        (void)cli_callv(c, "LREM", c->keys.ready[rec->queue], "1", id, NULL);
}

static bool cancel_waiting(struct cli *c, const char *id, const struct record *rec,
                           struct span bytes)
{
    if (!end_waiting(c, id, rec, bytes))
        return false;
    leave_list(c, id, rec);
    return true;
}

/* What was done, for people; NULL: it moved while we looked, or Redis did not do it. */
static const char *try_cancel(struct cli *c, const char *id, const struct record *rec,
                              struct span bytes)
{
    if (job_state_ended(rec->state))
        return job_state_name(rec->state);
    if (rec->state == JOB_STATE_ACTIVE)
        return flag_running(c, id, rec) ? "cancelling" : NULL;
    return cancel_waiting(c, id, rec, bytes) ? "cancelled" : NULL;
}

static int cancel_one(struct cli *c, const char *id)
{
    struct buf bytes = BUF(512u << 20);
    enum cli_found found = CLI_RECORD_THERE;
    const char *outcome = NULL;
    struct record rec;

    for (int i = 0; i < TRIES && !outcome && found == CLI_RECORD_THERE && !cli_has_failed(c); i++) {
        found = cli_record(c, id, &bytes, &rec);
        if (found == CLI_RECORD_THERE)
            outcome = try_cancel(c, id, &rec, buf_span(&bytes));
    }
    buf_done(&bytes);
    if (found != CLI_RECORD_THERE)
        return cli_no_record(id, found);
    if (outcome) {
        cli_told(c, id, outcome);
        return CLI_OK;
    }
    return cli_fail(CLI_FAILED, "%s: %s", id,
                    c->lost      ? "not known whether it is cancelled"
                    : c->refused ? "not cancelled"
                                 : "not cancelled: its state changes too quickly; try again");
}

int cli_cancel(struct cli *c)
{
    int status = CLI_OK, one, i = 0;

    if (c->argc < 1 || cli_has_option(c))
        return cli_usage(c);
    for (; i < c->argc && !cli_has_failed(c); i++) {
        one = cancel_one(c, c->argv[i]);
        status = one ? one : status;
    }
    if (i < c->argc)
        return cli_fail(CLI_FAILED, "%s and the following: not tried", c->argv[i]);
    return status;
}

/* ---- retry ---- */

struct replay {
    struct cli *c;
    struct redis_args keys, args;
    char *ids[REPLAY_JOBS];
    size_t count, written;
};

static void replay_begin(struct replay *p)
{
    redis_args_init(&p->keys);
    redis_args_init(&p->args);
    redis_arg_str(&p->keys, key(&p->c->keys, KEY_DEAD));
    keys_arg_queues(&p->keys, &p->c->keys);
    p->count = 0;
}

static void replay_send(struct replay *p)
{
    struct redis_args a;
    const struct reply *reply;
    struct span codes;

    redis_args_make(&a, "EVAL", script(SCRIPT_REPLAY)->text, (int64_t)p->keys.count);
    redis_args_append(&a, &p->keys);
    redis_args_append(&a, &p->args);
    redis_args_done(&p->keys);
    redis_args_done(&p->args);
    if (p->count == 0) {
        redis_args_done(&a);
        return;
    }
    reply = cli_call(p->c, &a);
    codes = reply_span(reply);
    for (size_t i = 0; i < p->count; i++) {
        bool ok = i < codes.n && codes.p[i] == 'k';

        if (reply)
            cli_told(p->c, p->ids[i], ok ? "ready" : "moved meanwhile");
        else
            cli_fail(CLI_FAILED, "%s: %s", p->ids[i],
                     p->c->lost ? "not known whether it runs again" : "not run again");
        p->written += ok;
        free(p->ids[i]);
    }
}

/* The record of the next run: everything anew but the document and its id. */
static void replay_add(struct replay *p, const char *id, const struct record *old, struct span doc)
{
    struct record r = *old;
    char header[RECORD_HEADER], claim[32];

    r.state = JOB_STATE_READY;
    r.tnum = record_next_tnum(old->tnum);
    r.run++;
    r.attempts = r.crashes = r.parks = 0;
    r.started_ms = r.parked_ms = r.expires_ms = 0;
    r.due_ms = 0;
    r.step[0] = '\0';
    memset(r.token, '0', RECORD_TOKEN);
    record_write(&r, header);
    snprintf(claim, sizeof claim, "%06x%s", old->tnum, old->token);
    keys_arg(&p->keys, p->c->keys.job, id);
    redis_args_add(&p->args, id, claim, (int64_t)r.queue);
    redis_arg_pieces(&p->args, (const struct span[]){{header, RECORD_HEADER}, doc}, 2);
    p->ids[p->count++] = xstrdup(id);
}

static int replay_one(struct replay *p, const char *id)
{
    struct buf bytes = BUF(512u << 20);
    struct record rec;
    enum cli_found found = cli_record(p->c, id, &bytes, &rec);
    int status = CLI_OK;

    if (found != CLI_RECORD_THERE)
        status = cli_no_record(id, found);
    else if (rec.state != JOB_STATE_FAILED || rec.doc_bytes == 0)
        status = cli_fail(CLI_FAILED, "%s: only dead jobs can be run again; this one is %s", id,
                          record_state_name(&rec, clock_wall_ms()));
    else
        replay_add(p, id, &rec, record_doc(&rec, bytes.p, bytes.n));
    buf_done(&bytes);
    return status;
}

static size_t dead_ids(struct cli *c, char *ids[REPLAY_JOBS])
{
    char most[16];
    const struct reply *r;
    size_t n;

    snprintf(most, sizeof most, "%d", REPLAY_JOBS - 1);
    r = cli_callv(c, "ZRANGE", key(&c->keys, KEY_DEAD), "0", most, NULL);
    n = reply_count(r);
    for (size_t i = 0; i < n; i++) {
        struct span s = reply_span(reply_at(r, i));

        ids[i] = xstrndup(s.p, s.n);
    }
    return n;
}

/* Dead ids whose record is gone (its time was over) only leave the set; returns how many did.  One
 * that could not be read, or that a newer program wrote, stays. */
static size_t forget_dead(struct cli *c, const char *id)
{
    int64_t n = 0;

    return cli_number(c, &n, "ZREM", key(&c->keys, KEY_DEAD), id, NULL) ? (size_t)n : 0;
}

static int replay_all(struct replay *p)
{
    char *ids[REPLAY_JOBS];
    size_t n, before, forgotten = 0;
    int status = CLI_OK;

    do {
        n = dead_ids(p->c, ids);
        before = p->written + forgotten;
        replay_begin(p);
        for (size_t i = 0; i < n; i++) {
            int one = cli_has_failed(p->c) ? CLI_FAILED : replay_one(p, ids[i]);

            if (one == CLI_NOT_FOUND)
                forgotten += forget_dead(p->c, ids[i]);
            else
                status = one ? one : status;
            free(ids[i]);
        }
        replay_send(p);
    } while (n == REPLAY_JOBS && p->written + forgotten > before && !cli_has_failed(p->c));
    return status;
}

int cli_retry(struct cli *c)
{
    struct replay p = {.c = c};
    int status = CLI_OK;

    if (cli_flag(c, "--dead"))
        return c->argc > 0 ? cli_usage(c) : replay_all(&p);
    if (c->argc < 1 || cli_has_option(c))
        return cli_usage(c);
    replay_begin(&p);
    for (int i = 0; i < c->argc && !cli_has_failed(c); i++) {
        int one = replay_one(&p, c->argv[i]);

        status = one ? one : status;
        if (p.count == REPLAY_JOBS) {
            replay_send(&p);
            replay_begin(&p);
        }
    }
    replay_send(&p);
    return status;
}

/* ---- pause, resume, scale ---- */

static const char *const queue_names[] = {
#define X(NAME, name, code, weight) name,
#include "common/queue/queues.def"
};

static bool known_queue(const char *name)
{
    const char *near = parse_nearest(name, queue_names, ARRAY_LEN(queue_names));

    if (queue_of(name, strlen(name)) != QUEUE_NONE)
        return true;
    cli_fail(CLI_NOT_FOUND, "%s: unknown queue%s%s%s", name, near ? "; did you mean '" : "",
             near ? near : "", near ? "'?" : "");
    return false;
}

/* at: since when, "" to end the pause.  A full Redis does it as well. */
static int set_pause(struct cli *c, const char *at)
{
    const char *name = c->argv[0];
    struct redis_args a;

    if (!known_queue(name))
        return CLI_NOT_FOUND;
    redis_args_make(&a, "EVAL", script(SCRIPT_PAUSE)->text, 2, key(&c->keys, KEY_PAUSED),
                    c->keys.wake[queue_of(name, strlen(name))], name, at);
    return cli_call(c, &a) ? CLI_OK : cli_not_done(c, name, *at ? "paused" : "resumed");
}

int cli_pause(struct cli *c)
{
    char at[32];
    int status;

    if (c->argc != 1)
        return cli_usage(c);
    snprintf(at, sizeof at, "%lld", (long long)clock_wall_ms());
    status = set_pause(c, at);
    if (status == CLI_OK)
        cli_told(c, c->argv[0], "paused");
    return status;
}

static bool is_fingerprint(const char *s)
{
    return strlen(s) == 16 && strspn(s, "0123456789abcdef") == 16;
}

static int resume_key(struct cli *c, const char *name)
{
    int64_t n;

    if (!cli_number(c, &n, "HDEL", key(&c->keys, KEY_STOPS), name, NULL))
        return cli_not_done(c, name, "cleared");
    if (n == 0)
        return cli_fail(CLI_NOT_FOUND, "%s: no stopped key has this fingerprint", name);
    cli_told(c, name, "cleared");
    return CLI_OK;
}

int cli_resume(struct cli *c)
{
    const char *model = cli_option(c, "--model"), *provider = cli_option(c, "--provider");
    const char *name = c->argc == 1 ? c->argv[0] : "";
    int status;

    if (model)
        return c->argc > 0 ? cli_usage(c) : cli_resume_model(c, model, provider);
    if (c->argc != 1 || provider)
        return cli_usage(c);
    if (is_fingerprint(name))
        return resume_key(c, name);
    status = set_pause(c, "");
    if (status == CLI_OK)
        cli_told(c, name, "resumed");
    return status;
}

int cli_scale(struct cli *c)
{
    const char *group = c->argc == 2 ? c->argv[0] : "default",
               *n = c->argc > 0 ? c->argv[c->argc - 1] : "";
    int64_t v;

    if (c->argc < 1 || c->argc > 2 || !parse_int64(n, strlen(n), 0, 256, &v))
        return cli_usage(c);
    if (v == 0) /* with no process, nobody would hear the next number */
        return cli_fail(CLI_USAGE, "scale: expected 1 to 256 processes; to stop work, pause its "
                                   "queues");
    if (!config_group(c->cfg, group))
        return cli_fail(CLI_NOT_FOUND, "%s: this configuration has no such worker group", group);
    if (!cli_callv(c, "HSET", key(&c->keys, KEY_SCALE), group, n, NULL))
        return cli_not_done(c, group, "scaled");
    cli_told(c, group, "scaled");
    return CLI_OK;
}
