/* blame.c - see blame.h.
 *
 *   GET record --> ready, and once too often --> finish
 *        ^         ready or active otherwise --> blame.lua
 *        |         ended, or gone            --> nothing
 *        +------ it moved in between --------+
 */
#include "common/queue/blame.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/core/clock.h"
#include "common/core/xalloc.h"
#include "common/queue/ending.h"
#include "common/queue/scripts.h"

enum { ROUNDS = 5 };

struct blame {
    struct blame_options o;
    blame_cb *cb;
    void *arg;
    int rounds;
};

static void blame_look(struct blame *b);

static void blame_end(struct blame *b, bool ended, const struct err *err)
{
    b->cb(b->arg, ended, err);
    free(b);
}

bool blame_is_enough(const struct config *cfg, int crashes)
{
    return crashes >= cfg->retry_max_crashes;
}

static void on_counted(void *arg, const struct reply *reply, const struct err *err)
{
    struct blame *b = arg;

    if (reply && reply_is(reply, "moved") && ++b->rounds < ROUNDS)
        blame_look(b);
    else
        blame_end(b, false, reply ? NULL : err);
}

static void count(struct blame *b, const struct record *rec)
{
    struct redis_args a;
    char claim[6 + RECORD_TOKEN + 1], crashes[12];

    snprintf(claim, sizeof claim, "%06x%s", rec->tnum, rec->token);
    snprintf(crashes, sizeof crashes, "%02x", (unsigned)(rec->crashes + 1) & 0xff);
    redis_args_make(&a, key_word(b->o.who->keys->job, b->o.job), claim, crashes);
    redis_script(b->o.redis, script(SCRIPT_BLAME), 1, &a, on_counted, b);
}

static void on_finished(void *arg, struct settle *s, const char *codes, const struct err *err)
{
    struct blame *b = arg;
    char code = codes ? codes[0] : '\0';

    settle_free(s);
    if (code == SETTLE_STALE && ++b->rounds < ROUNDS)
        blame_look(b);
    else
        blame_end(b, code == SETTLE_WRITTEN || code == SETTLE_AGAIN, codes ? NULL : err);
}

static void finish(struct blame *b, const struct record *rec, const struct job *job)
{
    struct settle *s = settle_new(SETTLE_FINISH);
    const struct ending_death d = {.id = b->o.job,
                                   .held = rec,
                                   .job = job,
                                   .kind = ERR_POISON,
                                   .crashes = rec->crashes + 1,
                                   .output_max = b->o.cfg->webhooks_output_bytes};

    ending_by_death(s, &d);
    settle_send(s, b->o.redis, b->o.who, on_finished, b);
}

static void on_record(void *arg, const struct reply *reply, const struct err *err)
{
    struct blame *b = arg;
    struct span bytes = reply_span(reply);
    struct job_defaults defaults;
    struct record rec;
    struct job job;

    if (!reply || !bytes.p || !record_read(bytes.p, bytes.n, &rec) || job_state_ended(rec.state)) {
        blame_end(b, false, reply ? NULL : err);
        return;
    }
    job_defaults_from(&defaults, b->o.cfg);
    if (rec.state == JOB_STATE_READY && blame_is_enough(b->o.cfg, rec.crashes + 1) &&
        job_read(record_doc(&rec, bytes.p, bytes.n), &defaults, &job))
        finish(b, &rec, &job);
    else
        count(b, &rec);
}

static void blame_look(struct blame *b)
{
    struct redis_args a;

    redis_args_make(&a, "GET", key_word(b->o.who->keys->job, b->o.job));
    redis_send(b->o.redis, &a, on_record, b);
}

void blame_start(const struct blame_options *o, blame_cb *cb, void *arg)
{
    struct blame *b = xcalloc(1, sizeof *b);

    b->o = *o;
    b->cb = cb;
    b->arg = arg;
    blame_look(b);
}
