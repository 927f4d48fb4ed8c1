/* suspects.c - see suspects.h and lua/restore.lua.
 *
 *   ready    --> the front of its list, or delayed
 *   active   --> the active set of its worker, which gives back what it does not run;
 *                no such worker: active:unnamed-<tag>, a set that the housekeeper recovers like
 *                that of any dead worker, the money of its call included */
#include "scheduler/suspects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "common/queue/alert.h"
#include "common/queue/scripts.h"
#include "common/queue/work.h"

enum { PER_CALL = 128, ID_BYTES = 96 };

struct suspect {
    char id[ID_BYTES];
    struct record rec;
};

struct suspects {
    struct scheduler *s;
    struct suspect *all;
    size_t count, cap;
    size_t next; /* the first that was in no call of restore.lua yet */
    int64_t since_ms;
    const struct names *names;
    suspects_cb *cb;
    void *arg;
    bool asking;
};

struct suspects *suspects_new(struct scheduler *s)
{
    struct suspects *p = xcalloc(1, sizeof *p);

    p->s = s;
    return p;
}

static void on_none(void *arg);

void suspects_clear(struct suspects *p)
{
    free(p->all);
    p->all = NULL;
    p->count = p->cap = p->next = 0;
}

void suspects_free(struct suspects *p)
{
    if (!p)
        return;
    if (p->asking)
        redis_forget(p->s->redis, p);
    loop_undefer(p->s->loop, on_none, p);
    suspects_clear(p);
    free(p);
}

bool suspects_add(struct suspects *p, const char *id, const struct record *rec)
{
    struct suspect *one;

    if (p->count == SUSPECTS_MAX || strlen(id) >= ID_BYTES)
        return false;
    if (p->count == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 16;
        p->all = xrealloc(p->all, p->cap * sizeof *p->all);
    }
    if (p->count == 0)
        p->since_ms = clock_mono_ms();
    one = &p->all[p->count++];
    snprintf(one->id, sizeof one->id, "%s", id);
    one->rec = *rec;
    return true;
}

size_t suspects_count(const struct suspects *p) { return p->count; }
int64_t suspects_age_ms(const struct suspects *p) { return clock_mono_ms() - p->since_ms; }

/* ---- putting back ---- */

static void send_some(struct suspects *p);

static void on_restored(void *arg, const struct reply *reply, const struct err *err)
{
    struct suspects *p = arg;
    struct span letters = reply_span(reply_at(reply, 1));
    struct err gone = {0};
    size_t back = 0;

    p->asking = false;
    if (!reply) {
        p->cb(p->arg, err);
        return;
    }
    if (reply_is(reply_at(reply, 0), "deposed")) {
        err_set(&gone, ERR_REDIS, "deposed");
        p->cb(p->arg, &gone);
        return;
    }
    for (size_t i = 0; i < letters.n; i++)
        back += letters.p[i] == 'k';
    if (back > 0)
        log_event(LOG_ERROR, "rescue", "jobs=%zu looked_at=%zu", back, letters.n);
    send_some(p);
}

static void add_job(const struct suspects *p, const struct suspect *one, struct redis_args *a,
                    struct redis_args *args)
{
    const char *worker = names_worker(p->names, one->rec.token);
    char state = one->rec.state == JOB_STATE_ACTIVE ? 'a' : 'r';
    char claim[RECORD_CLAIM + 1], nobody[32];
    const struct span expected[2] = {{&state, 1}, {claim, RECORD_CLAIM}};

    record_claim(&one->rec, claim);
    snprintf(nobody, sizeof nobody, "unnamed-%.*s", WORKER_TAG, one->rec.token);
    redis_args_add(a, key_word(p->s->keys.job, one->id),
                   key_word(p->s->keys.active, worker ? worker : nobody));
    redis_arg_str(args, one->id);
    redis_arg_pieces(args, expected, 2);
    redis_args_add(args, one->rec.queue, queue_name(one->rec.queue));
}

static void send_some(struct suspects *p)
{
    static const enum key_id fixed[] = {KEY_LEASE, KEY_DELAYED, KEY_BELL, KEY_ALERTS, KEY_ALERTED};
    struct redis_args a, args;
    size_t end = p->count - p->next < PER_CALL ? p->count : p->next + PER_CALL, nkeys;

    if (p->next == p->count) {
        suspects_clear(p);
        p->cb(p->arg, NULL);
        return;
    }
    redis_args_init(&a);
    redis_args_init(&args);
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        redis_arg_str(&a, key(&p->s->keys, fixed[i]));
    keys_arg_queues(&a, &p->s->keys);
    redis_args_add(&args, lease_token(p->s->lease), ALERT_AGAIN_MS);
    for (; p->next < end; p->next++)
        add_job(p, &p->all[p->next], &a, &args);
    nkeys = a.count;
    redis_args_append(&a, &args);
    redis_args_done(&args);
    p->asking = true;
    redis_script(p->s->redis, script(SCRIPT_RESTORE), nkeys, &a, on_restored, p);
}

/* Without suspects the answer still comes on a later turn, as everywhere. */
static void on_none(void *arg)
{
    struct suspects *p = arg;

    p->cb(p->arg, NULL);
}

void suspects_restore(struct suspects *p, const struct names *borrow_n, suspects_cb *cb, void *arg)
{
    size_t kept = 0;

    p->names = borrow_n;
    p->cb = cb;
    p->arg = arg;
    for (size_t i = 0; i < p->count; i++)
        if (!names_has(borrow_n, (struct span){p->all[i].id, strlen(p->all[i].id)}))
            p->all[kept++] = p->all[i];
    p->count = kept;
    p->next = 0;
    if (kept > 0)
        send_some(p);
    else
        loop_defer(p->s->loop, on_none, p);
}
