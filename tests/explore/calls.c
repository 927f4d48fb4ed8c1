/* calls.c - see calls.h.  Each builder gives the program's own function what
 * the program would give it, or lays out KEYS and ARGV as the file does that it
 * names. */
#include "tests/explore/calls_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/xalloc.h"
#include "common/queue/alert.h"
#include "common/queue/scripts.h"
#include "common/queue/submit.h"
#include "common/queue/work.h"
#include "tests/explore/wire.h"

static struct config *cfg;
static struct routes *routes;
static struct job_defaults defaults;
static struct pool *made; /* calls whose bytes are known */
static uint32_t *bytes_of;
static size_t room;

const struct config *calls_config(void) { return cfg; }
const struct job_defaults *calls_defaults(void) { return &defaults; }
const struct routes *calls_routes(void) { return routes; }

/* ---- the other calls of a worker ---- */

static void send_beat(const struct call *c)
{
    char what[32];

    snprintf(what, sizeof what, "{\"n\":%d}", c->n);
    work_heartbeat(WIRE, &keys,
                   &(struct work_heartbeat){.worker = worker_ids[c->who],
                                            .what = {what, strlen(what)},
                                            .first = c->what},
                   NULL, NULL);
}

static void send_claim(const struct call *c)
{
    const struct work_want wants[] = {{queue_ids[0], c->n, "others", c->n},
                                      {queue_ids[1], c->n, "others", c->n}};

    work_claim(WIRE, &keys, &(struct work_claim){worker_ids[c->who], wants, QUEUES, c->n}, NULL,
               NULL);
}

static void token_of(char token[RECORD_TOKEN + 1], int who, int n)
{
    snprintf(token, RECORD_TOKEN + 1, "%.8s%08x", work_tag(worker_ids[who]), (unsigned)n);
}

static void send_start(const struct call *c)
{
    char token[RECORD_TOKEN + 1];
    const char *ids[JOBS];
    struct work_start w = {.worker = worker_ids[c->who], .token = token, .ids = ids};

    token_of(token, c->who, c->n);
    for (int j = 0; j < JOBS; j++)
        if (c->jobs & 1 << j)
            ids[w.n++] = job_ids[j];
    w.guess = c->what;
    work_start(WIRE, &keys, &w, NULL, NULL);
}

static void send_giveback(const struct call *c)
{
    const char *ids[JOBS];
    int queues[JOBS];
    size_t n = 0;

    for (int j = 0; j < JOBS; j++) {
        if (!(c->jobs & 1 << j))
            continue;
        queues[n] = (int)queue_ids[c->n];
        ids[n++] = job_ids[j];
    }
    work_give_back(WIRE, &keys,
                   &(struct work_give_back){worker_ids[c->who], ids, queues, n, c->what}, NULL,
                   NULL);
}

static void send_look(const struct call *c)
{
    struct redis_args a;

    redis_args_init(&a);
    redis_arg_str(&a, "SMEMBERS");
    keys_arg(&a, keys.active, worker_ids[c->who]);
    redis_send(WIRE, &a, NULL, NULL);
}

static void send_read(const struct call *c)
{
    struct redis_args a;

    redis_args_init(&a);
    redis_arg_str(&a, "GET");
    keys_arg(&a, keys.job, job_ids[c->jobs]);
    redis_send(WIRE, &a, NULL, NULL);
}

static void send_retime(const struct call *c)
{
    struct redis_args a;
    char member[64];

    snprintf(member, sizeof member, "%s/%s", queue_name(queue_ids[c->what]), job_ids[c->jobs]);
    redis_args_init(&a);
    redis_arg_str(&a, key(&keys, KEY_DELAYED));
    redis_arg_str(&a, key(&keys, KEY_BELL));
    keys_arg(&a, keys.job, job_ids[c->jobs]);
    redis_arg_str(&a, member);
    redis_arg_int(&a, 0);
    redis_script(WIRE, script(SCRIPT_RETIME), 3, &a, NULL, NULL);
}

/* ---- schedulers and operators ---- */

static void send_promote(const struct call *c)
{
    struct redis_args a;

    redis_args_init(&a);
    redis_arg_str(&a, key(&keys, KEY_LEASE));
    redis_arg_str(&a, key(&keys, KEY_DELAYED));
    keys_arg_queues(&a, &keys);
    redis_arg_str(&a, leases[c->n]);
    redis_arg_int(&a, cfg->scheduler_promote_jobs);
    for (int q = 1; q <= QUEUE_COUNT; q++)
        redis_arg_str(&a, queue_name((enum queue_id)q));
    redis_script(WIRE, script(SCRIPT_PROMOTE), 2 + 2 * QUEUE_COUNT, &a, NULL, NULL);
}

static void send_take(const struct call *c)
{
    struct redis_args a;

    redis_args_init(&a);
    redis_arg_str(&a, key(&keys, KEY_LEASE));
    redis_arg_str(&a, key(&keys, KEY_INTAKE));
    redis_arg_str(&a, key(&keys, KEY_TAKEN));
    redis_arg_str(&a, key(&keys, KEY_PORTION));
    redis_arg_str(&a, key(&keys, KEY_ASIDE));
    redis_arg_str(&a, key(&keys, KEY_ALERTS));
    redis_arg_str(&a, key(&keys, KEY_ALERTED));
    redis_arg_str(&a, leases[c->n]);
    redis_arg_int(&a, cfg->scheduler_take_jobs);
    redis_arg_int(&a, cfg->scheduler_take_bytes);
    redis_arg_int(&a, cfg->limits_job_bytes + 1);
    redis_arg_str(&a, "");
    redis_arg_str(&a, "");
    redis_arg_int(&a, ALERT_AGAIN_MS);
    redis_script(WIRE, script(SCRIPT_TAKE), 7, &a, NULL, NULL);
}

static void send_submit(const struct call *c)
{
    struct submit *batch = submit_new(&keys);
    struct submit_how how = {.lease = leases[c->n],
                             .drop = c->what,
                             .ids_ms = cfg->retention_ids_ms,
                             .reply_ms = cfg->limits_reply_ttl_ms};

    for (int d = 0; d < DOCS && c->docs[d]; d++) {
        const char *doc = job_docs[c->docs[d] - 1];
        struct job_checked checked;
        struct err err = {0};

        if (!job_check((struct span){doc, strlen(doc)}, &defaults, &checked, &err))
            abort();
        submit_job(batch, &checked);
    }
    submit_send(batch, WIRE, &how, NULL, NULL);
    submit_free(batch);
}

static void send_lease(const struct call *c)
{
    struct redis_args a;

    redis_args_init(&a);
    redis_arg_str(&a, key(&keys, KEY_LEASE));
    redis_arg_str(&a, leases[c->n]);
    redis_arg_int(&a, 86400000);
    redis_script(WIRE, script(SCRIPT_LEASE), 1, &a, NULL, NULL);
}

void claim_of(char claim[RECORD_CLAIM + 1], uint32_t held)
{
    snprintf(claim, RECORD_CLAIM + 1, "%.*s", RECORD_CLAIM, header_of(held) + 4);
}

static void send_cancel(const struct call *c)
{
    char claim[RECORD_CLAIM + 1];
    struct redis_args a;

    claim_of(claim, c->held);
    redis_args_init(&a);
    keys_arg(&a, keys.job, job_ids[c->jobs]);
    redis_arg_str(&a, key(&keys, KEY_CANCELS));
    redis_arg_str(&a, job_ids[c->jobs]);
    redis_arg_str(&a, claim);
    redis_script(WIRE, script(SCRIPT_CANCEL), 2, &a, NULL, NULL);
}

/* ---- money ---- */

void hold_name_of(char name[96], const struct call *c, int n)
{
    snprintf(name, 96, "%s:%.*s.%d", job_ids[c->jobs], RECORD_TOKEN, header_of(c->held) + 10, n);
}

/* As worker/budget/holds_call.c does: one sum, and a hold to settle or to make. */
static void begin_budget(struct redis_args *a, const struct call *c)
{
    redis_args_init(a);
    redis_arg_str(a, key(&keys, KEY_BUDGET));
    redis_arg_str(a, key(&keys, KEY_HOLDS));
    redis_arg_str(a, key(&keys, KEY_HOLDS_DUE));
    redis_arg_str(a, key(&keys, KEY_ALERTS));
    redis_arg_str(a, key(&keys, KEY_ALERTED));
    redis_arg_str(a, key(&keys, KEY_WORKERS));
    keys_arg(a, keys.calls, worker_ids[c->who]);
    redis_arg_int(a, 86400000);
    redis_arg_int(a, 86400000);
    redis_arg_str(a, worker_ids[c->who]);
}

static void send_hold(const struct call *c)
{
    struct buf note = BUF(1 << 16);
    struct redis_args a;
    char name[96];

    hold_name_of(name, c, c->n);
    begin_budget(&a, c);
    redis_arg_int(&a, 1);
    redis_arg_str(&a, BUDGET_SUM);
    redis_arg_int(&a, 0);
    redis_arg_int(&a, LATER_MS);
    redis_arg_int(&a, LIMIT_NANOUSD);
    redis_arg_str(&a, "");
    redis_arg_int(&a, 0);
    redis_arg_int(&a, 1);
    redis_arg_str(&a, name);
    redis_arg_int(&a, WORST_NANOUSD);
    redis_arg_int(&a, DELAY_MS);
    outcome_note(c, &note);
    redis_arg_span(&a, buf_span(&note));
    redis_arg_int(&a, 1);
    redis_arg_int(&a, 1);
    redis_script(WIRE, script(SCRIPT_BUDGET), 7, &a, NULL, NULL);
    buf_done(&note);
}

static void send_settle(const struct call *c)
{
    struct redis_args a;
    char name[96];

    hold_name_of(name, c, c->n);
    begin_budget(&a, c);
    redis_arg_int(&a, 0);
    redis_arg_int(&a, 1);
    redis_arg_str(&a, name);
    if (c->what & SETTLED_CALLED)
        redis_arg_int(&a, COST_NANOUSD);
    else
        redis_arg_str(&a, "unmade");
    redis_arg_str(&a, c->what & SETTLED_MAY_COME ? "1" : "");
    redis_arg_int(&a, 0);
    redis_script(WIRE, script(SCRIPT_BUDGET), 7, &a, NULL, NULL);
}

/* As worker/claims/rooms.c does. */
static void send_room(const struct call *c)
{
    struct redis_args a;
    char entry[64];

    snprintf(entry, sizeof entry, "%s/%s", queue_name(queue_ids[0]), job_ids[c->jobs]);
    redis_args_init(&a);
    redis_arg_str(&a, key(&keys, KEY_ROOMS));
    redis_arg_str(&a, key(&keys, KEY_BUDGET));
    keys_arg(&a, keys.room, BUDGET_ROOM);
    redis_arg_int(&a, 100);
    redis_arg_int(&a, 86400000);
    redis_arg_int(&a, 100);
    redis_arg_str(&a, BUDGET_ROOM);
    redis_arg_str(&a, "inf");
    redis_arg_int(&a, c->what ? 0 : 1);
    redis_arg_str(&a, c->what ? BUDGET_SUM : "");
    redis_arg_int(&a, 20 * c->n);
    redis_arg_int(&a, c->what ? 1 : 0);
    if (c->what) {
        redis_arg_int(&a, 1);
        redis_arg_str(&a, entry);
    }
    redis_script(WIRE, script(SCRIPT_ROOM), 3, &a, NULL, NULL);
}

/* ---- all of them ---- */

static const struct {
    void (*send)(const struct call *c);
    const char *text;
} kinds[CALL_KINDS] = {
    [CALL_BEAT] = {send_beat, "heartbeat"},
    [CALL_CLAIM] = {send_claim, "claim"},
    [CALL_START] = {send_start, "start"},
    [CALL_OUTCOME] = {send_outcome, ""},
    [CALL_LOOK] = {send_look, "SMEMBERS active"},
    [CALL_READ] = {send_read, "GET record"},
    [CALL_RETIME] = {send_retime, "retime"},
    [CALL_PROMOTE] = {send_promote, "promote"},
    [CALL_TAKE] = {send_take, "take"},
    [CALL_SUBMIT] = {send_submit, "submit"},
    [CALL_LEASE] = {send_lease, "lease"},
    [CALL_CANCEL] = {send_cancel, "cancel"},
    [CALL_END] = {send_end, "finish"},
    [CALL_REPLAY] = {send_replay, "replay"},
    [CALL_HOLD] = {send_hold, "budget: hold"},
    [CALL_SETTLE] = {send_settle, "budget: settle"},
    [CALL_ROOM] = {send_room, "room"},
    [CALL_GIVEBACK] = {send_giveback, "giveback"},
};

uint32_t call_id(const struct call *c)
{
    uint32_t count = pool_count(made), id = pool_id(made, c, sizeof *c);

    if (id < count)
        return id;
    if (id >= room) {
        room = room ? 2 * room : 256;
        bytes_of = xrealloc(bytes_of, room * sizeof *bytes_of);
    }
    bytes_of[id] = c->raw;
    if (c->kind == CALL_RAW)
        return id;
    wire_open();
    kinds[c->kind].send(c);
    bytes_of[id] = pool_id(commands, wire_bytes(0).p, wire_bytes(0).n);
    return id;
}

const struct call *call_of(uint32_t id)
{
    return (const struct call *)(const void *)pool_bytes(made, id).p;
}

uint32_t call_bytes(uint32_t id) { return bytes_of[id]; }

static void print_raw(const struct call *c, struct buf *b)
{
    const struct reply *r = wire_reply(pool_bytes(commands, c->raw));
    struct span word = reply_span(reply_at(r, 0)), sha = reply_span(reply_at(r, 1));

    for (int i = 0; i < SCRIPT_COUNT; i++)
        if (sha.p && !strcmp(script((enum script_id)i)->sha1, sha.p))
            word = (struct span){script((enum script_id)i)->name,
                                 strlen(script((enum script_id)i)->name)};
    buf_add_span(b, word);
    wire_done(r);
}

void call_print(const struct call *c, struct buf *b)
{
    bool job = c->kind >= CALL_OUTCOME && c->kind != CALL_LOOK && c->kind != CALL_RAW;

    if (c->kind == CALL_RAW)
        print_raw(c, b);
    else if (c->kind == CALL_OUTCOME)
        buf_puts(b, outcome_text((enum outcome)c->what));
    else
        buf_puts(b, kinds[c->kind].text);
    if (c->kind == CALL_START)
        buf_printf(b, "%s%s%s #%d%s", "", c->jobs & 1 ? " a" : "", c->jobs & 2 ? " b" : "", c->n,
                   c->what ? ", guessed" : "");
    else if (job && (c->kind < CALL_PROMOTE || c->kind > CALL_LEASE))
        buf_printf(b, " %s", job_ids[c->jobs]);
    if (c->kind == CALL_HOLD || c->kind == CALL_SETTLE)
        buf_printf(b, " .%d%s", c->n,
                   c->kind == CALL_HOLD       ? ""
                   : c->what & SETTLED_CALLED ? ", called"
                                              : ", no call");
    if (c->held)
        buf_printf(b, " held at %.6s", header_of(c->held) + 4);
}

uint32_t held_by(struct span bytes, int who, int n)
{
    char header[RECORD_HEADER];
    struct record r;

    if (!record_read(bytes.p, bytes.n, &r))
        return 0;
    if (r.state != JOB_STATE_ACTIVE) {
        r.state = JOB_STATE_ACTIVE;
        r.tnum = record_next_tnum(r.tnum);
        r.started_ms = 1;
        token_of(r.token, who, n);
    }
    record_write(&r, header);
    return pool_id(records, header, RECORD_HEADER);
}

/* ---- life ---- */

static int64_t still_us(void) { return INT64_C(1000000000); }
static int64_t still_ms(void) { return wall_ms; }
static const struct clock still = {still_us, still_ms};

void calls_open(void)
{
    struct err err = {0};

    clock_now = &still;
    cfg = config_load("/dev/null", &err);
    if (!cfg) {
        fprintf(stderr, "explore: %s\n", err.msg);
        exit(78);
    }
    job_defaults_from(&defaults, cfg);
    routes = routes_new(cfg);
    made = pool_new();
}

void calls_close(void)
{
    wire_open();
    pool_free(made);
    free(bytes_of);
    routes_free(routes);
    config_free(cfg);
}
