/* settle.c - see settle.h.
 *
 * A batch is three growing pieces, kept in RESP form so that sending (again)
 * is three copies: the per-job keys, the dimension sets of its cost events
 * (dims.h), and the per-job arguments.
 *
 * The sums of a day are in the key of that day, and the day is that of Redis's clock.  A script
 * whose key is of another day does nothing and answers its clock: the batch is sent again, and what
 * our clock lacks is known from then on. */
#include "common/queue/settle.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/xalloc.h"
#include "common/queue/dims.h"
#include "common/queue/scripts.h"

struct settle {
    enum settle_kind kind;
    struct dims dims;       /* parts of the command */
    struct redis_args jobs; /* the same */
    void **items;
    size_t count, cap;
    struct buf scratch;
    /* while it is sent */
    struct redis *redis;
    struct settle_who who; /* its lease is the text below */
    char lease[64];
    int tries;
    settle_cb *cb;
    void *arg;
    /* per item: which keys follow the record's, and the ids */
    struct buf ids; /* NUL-separated: id, flags, webhook id, spare webhook id */
};

struct settle *settle_new(enum settle_kind kind)
{
    struct settle *s = xcalloc(1, sizeof *s);

    s->kind = kind;
    dims_init(&s->dims);
    redis_args_init(&s->jobs);
    buf_init(&s->scratch, 64 << 20);
    buf_init(&s->ids, 16 << 20);
    return s;
}

void settle_free(struct settle *s)
{
    if (!s)
        return;
    dims_done(&s->dims);
    redis_args_done(&s->jobs);
    buf_done(&s->scratch);
    buf_done(&s->ids);
    free(s->items);
    free(s);
}

enum settle_kind settle_kind_of(const struct settle *s) { return s->kind; }
size_t settle_count(const struct settle *s) { return s->count; }
size_t settle_bytes(const struct settle *s) { return s->jobs.bytes.n; }

void *settle_item(const struct settle *s, size_t i)
{
    assert(i < s->count);
    return s->items[i];
}

static void add_item(struct settle *s, void *item)
{
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->items = xrealloc(s->items, s->cap * sizeof *s->items);
    }
    s->items[s->count++] = item;
}

/* ---- costs ---- */

static void add_costs(struct settle *s, const struct cost_event *costs, size_t count)
{
    struct redis_args *a = &s->jobs;

    redis_arg_int(a, (int64_t)count);
    for (size_t i = 0; i < count; i++) {
        const struct cost *c = &costs[i].cost;
        size_t set = dims_of(&s->dims, &costs[i]);

        buf_clear(&s->scratch);
        cost_write(&costs[i], &s->scratch);
        redis_args_add(a, costs[i].event_id, buf_span(&s->scratch), (int64_t)set, c->cost_nanousd,
                       c->prompt_tokens, c->completion_tokens, c->estimate_nanousd);
        if (c->flags & COST_CACHED)
            redis_arg_int(a, c->list_cost_nanousd);
        else if (costs[i].note[0])
            redis_arg_pieces(
                a, (const struct span[]){{"=", 1}, {costs[i].note, strlen(costs[i].note)}}, 2);
        else
            redis_arg_str(a, "");
    }
}

/* ---- outcomes ---- */

enum { FLAGS_MAX = 6, STATE_AT = 2 };

static void add_claim(struct redis_args *a, const struct record *held)
{
    char claim[RECORD_CLAIM + 1];

    record_claim(held, claim);
    redis_arg_str(a, claim);
}

/* finish.lua's `how`. */
static void add_how(struct redis_args *a, const struct record *held, char state, const char *flags)
{
    char claim[RECORD_CLAIM + 1];

    record_claim(held, claim);
    redis_arg_pieces(
        a, (const struct span[]){{claim, RECORD_CLAIM}, {&state, 1}, {flags, strlen(flags)}}, 3);
}

static void finish_flags(const struct finish *f, char flags[FLAGS_MAX + 1])
{
    const struct {
        char flag;
        bool set;
    } rows[FLAGS_MAX] = {{'p', f->publish},
                         {'d', f->dead},
                         {'k', f->doc.n > 0},
                         {'r', f->reply},
                         {'w', f->webhook_id != NULL},
                         {'$', f->cost_count > 0}};
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].set)
            flags[n++] = rows[i].flag;
    flags[n] = '\0';
}

/* The token stays, so that an outcome sent twice is known again (tnum + 1, the same token).  Of a
 * job that was taken away, the call's half becomes 0, a number that no start has: else an outcome
 * of the dead worker that comes late would look like that. */
static void next_token(struct record *next, const struct record *held, bool taken)
{
    memcpy(next->token, held->token, sizeof next->token);
    if (taken)
        memset(next->token + RECORD_TOKEN / 2, '0', RECORD_TOKEN / 2);
}

static void add_word(struct settle *s, const char *word)
{
    buf_puts(&s->ids, word ? word : "");
    buf_putc(&s->ids, '\0');
}

void settle_finish(struct settle *s, const struct finish *f, void *item)
{
    struct redis_args *a = &s->jobs;
    struct record next = f->next;
    char header[RECORD_HEADER], flags[FLAGS_MAX + 1];

    assert(s->kind == SETTLE_FINISH && job_state_ended(next.state));
    next.tnum = record_next_tnum(f->held->tnum);
    next.cancel_asked = false;
    next.doc_bytes = f->doc.n;
    next_token(&next, f->held, f->taken);
    record_write(&next, header);
    finish_flags(f, flags);
    add_word(s, f->id);
    add_word(s, flags);
    add_word(s, f->webhook_id);
    add_word(s, f->webhook_spare_id);
    redis_arg_str(a, f->id);
    add_how(a, f->held, header[STATE_AT], flags);
    redis_arg_pieces(a, (const struct span[]){{header, RECORD_HEADER}, f->doc, f->result}, 3);
    if (f->webhook_id) {
        redis_args_add(a, f->webhook_id, f->webhook_spare_id, f->webhook_record);
    }
    if (f->cost_count > 0)
        add_costs(s, f->costs, f->cost_count);
    add_item(s, item);
}

void settle_defer(struct settle *s, const struct defer *d, void *item)
{
    struct redis_args *a = &s->jobs;
    struct record next = d->next;
    char header[RECORD_HEADER];

    assert(s->kind == SETTLE_DEFER);
    next.state = JOB_STATE_READY;
    next.tnum = record_next_tnum(d->held->tnum);
    next.cancel_asked = false;
    next_token(&next, d->held, d->taken);
    record_write(&next, header);
    add_word(s, d->id);
    for (int i = 0; i < 3; i++)
        add_word(s, NULL);
    redis_arg_str(a, d->id);
    add_claim(a, d->held);
    redis_args_add(a, (int64_t)next.queue, queue_name(next.queue), d->delay_ms,
                   d->front ? "f" : "b");
    redis_arg(a, header, RECORD_HEADER);
    redis_arg_span(a, d->body);
    add_costs(s, d->costs, d->cost_count);
    add_item(s, item);
}

void settle_tell(struct settle *s, const struct tell *t, void *item)
{
    assert(s->kind == SETTLE_TELL);
    add_word(s, t->id);
    for (int i = 0; i < 3; i++)
        add_word(s, NULL);
    redis_arg_str(&s->jobs, t->id);
    add_claim(&s->jobs, t->held);
    add_costs(s, t->costs, t->cost_count);
    add_item(s, item);
}

/* ---- sending ---- */

enum { DAY_MS = 86400000, TRIES = 5 };

/* Redis's clock, less that of this process: 0 until Redis says otherwise. */
static int64_t offset_ms;

int64_t settle_redis_ms(int64_t wall_ms) { return wall_ms + offset_ms; }

/* Who sends a batch, and on which day. */
struct letterhead {
    const struct settle_who *who;
    int64_t now_ms; /* by Redis's clock */
};

static void add_spend_key(struct redis_args *a, const struct letterhead *h)
{
    char day[9];

    keys_arg(a, h->who->keys->spend, clock_day(h->now_ms, day));
}

static void add_calls_key(struct redis_args *a, const struct settle_who *w)
{
    keys_arg(a, w->keys->calls, w->worker ? w->worker : "~");
}

static void add_job_keys(struct redis_args *a, const struct settle *s, const struct keys *k)
{
    const char *p = s->ids.p, *end = p + s->ids.n;

    while (p < end) {
        const char *id = p, *flags = id + strlen(id) + 1, *hook = flags + strlen(flags) + 1;
        const char *spare = hook + strlen(hook) + 1;

        keys_arg(a, k->job, id);
        if (strchr(flags, 'r'))
            keys_arg(a, k->reply, id);
        if (strchr(flags, 'w')) {
            redis_args_add(a, key_word(k->job, hook), key_word(k->job, spare));
        }
        p = spare + strlen(spare) + 1;
    }
}

static void finish_head(struct redis_args *a, const struct letterhead *h)
{
    const struct settle_who *w = h->who;
    const struct keys *k = w->keys;

    redis_args_add(a, key(k, KEY_LEASE), key_word(k->active, w->worker ? w->worker : "~"),
                   key(k, KEY_RESULTS), key(k, KEY_COSTS), key(k, KEY_DEAD), key(k, KEY_CANCELS));
    add_spend_key(a, h);
    redis_args_add(a, key(k, KEY_LATE), k->ready[QUEUE_WEBHOOK], k->wake[QUEUE_WEBHOOK]);
    add_calls_key(a, w);
}

static void defer_head(struct redis_args *a, const struct letterhead *h)
{
    const struct settle_who *w = h->who;
    const struct keys *k = w->keys;

    redis_args_add(a, key(k, KEY_LEASE), key_word(k->active, w->worker ? w->worker : "~"),
                   key(k, KEY_COSTS));
    add_spend_key(a, h);
    redis_args_add(a, key(k, KEY_LATE), key(k, KEY_DELAYED), key(k, KEY_BELL));
    keys_arg_queues(a, k);
    add_calls_key(a, w);
}

static void tell_head(struct redis_args *a, const struct letterhead *h)
{
    const struct keys *k = h->who->keys;

    redis_arg_str(a, key(k, KEY_COSTS));
    add_spend_key(a, h);
    redis_arg_str(a, key(k, KEY_LATE));
    add_calls_key(a, h->who);
}

static const struct {
    enum script_id script;
    void (*head)(struct redis_args *a, const struct letterhead *h);
    bool guarded, times; /* its arguments begin with the lease; then those times */
} kinds[SETTLE_KINDS] = {
    [SETTLE_FINISH] = {SCRIPT_FINISH, finish_head, true, true},
    [SETTLE_DEFER] = {SCRIPT_DEFER, defer_head, true, false},
    [SETTLE_TELL] = {SCRIPT_TELL, tell_head, false, false},
};

static size_t build(const struct settle *s, const struct settle_who *w, struct redis_args *a)
{
    const struct letterhead h = {w, settle_redis_ms(clock_wall_ms())};
    size_t nkeys;

    redis_args_init(a);
    kinds[s->kind].head(a, &h);
    add_job_keys(a, s, w->keys);
    nkeys = a->count;
    if (kinds[s->kind].guarded)
        redis_arg_str(a, w->lease ? w->lease : "");
    if (kinds[s->kind].times) {
        redis_args_add(a, w->ids_ms, w->dead_ms, w->reply_ms);
    }
    redis_args_add(a, (int64_t)s->dims.count, h.now_ms - h.now_ms % DAY_MS);
    redis_args_append(a, &s->dims.sets);
    redis_args_append(a, &s->jobs);
    return nkeys;
}

static enum script_id script_of(const struct settle *s) { return kinds[s->kind].script; }

const char *settle_codes(const struct settle *s, const struct reply *reply,
                         const struct err *redis_err, struct err *err)
{
    struct span codes = reply_span(reply_at(reply, 1));

    if (!reply) {
        *err = *redis_err;
        return NULL;
    }
    if (!reply_is(reply_at(reply, 0), "ok") || codes.n != s->count) {
        struct span said =
            reply_span(reply_type(reply) == REPLY_ARRAY ? reply_at(reply, 0) : reply);

        err_set(err, ERR_REDIS, "%.*s", (int)(said.n > 200 ? 200 : said.n), said.p ? said.p : "");
        return NULL;
    }
    return codes.p;
}

static void settle_on_answer(void *arg, const struct reply *reply, const struct err *redis_err);

static void send_now(struct settle *s)
{
    struct redis_args a;
    size_t nkeys = build(s, &s->who, &a);

    s->tries++;
    redis_script(s->redis, script(script_of(s)), nkeys, &a, settle_on_answer, s);
}

static void settle_on_answer(void *arg, const struct reply *reply, const struct err *redis_err)
{
    struct settle *s = arg;
    struct err err = {0};
    const char *codes;

    if (reply_is(reply_at(reply, 0), "day")) {
        offset_ms = reply_int(reply_at(reply, 1)) - clock_wall_ms();
        if (s->tries < TRIES) {
            send_now(s);
            return;
        }
    }
    codes = settle_codes(s, reply, redis_err, &err);
    s->cb(s->arg, s, codes, codes ? NULL : &err);
}

void settle_send(struct settle *s, struct redis *r, const struct settle_who *who, settle_cb *cb,
                 void *arg)
{
    s->redis = r;
    s->who = *who;
    if (who->lease) {
        snprintf(s->lease, sizeof s->lease, "%s", who->lease);
        s->who.lease = s->lease;
    }
    s->tries = 0;
    s->cb = cb;
    s->arg = arg;
    send_now(s);
}

void settle_args(const struct settle *s, const struct settle_who *who, struct redis_args *ret)
{
    struct redis_args a;
    size_t nkeys = build(s, who, &a);

    redis_args_init(ret);
    redis_args_add(ret, "EVAL", script(script_of(s))->text, (int64_t)nkeys);
    redis_args_append(ret, &a);
    redis_args_done(&a);
}
