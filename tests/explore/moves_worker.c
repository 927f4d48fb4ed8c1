/* moves_worker.c - a worker process sends, hears, loses its connection, dies:
 * see moves.def. */
#include <stdlib.h>
#include <string.h>

#include "common/queue/settle.h"
#include "tests/explore/state.h"

static struct worker *worker(struct trial *t) { return &t->s.worker[t->m.who]; }

/* ---- Redis runs ---- */

bool move_run(struct trial *t)
{
    struct worker *w = worker(t);

    for (int i = 0; i < PIPE && w->pipe[i]; i++) {
        if (w->pipe_ran[i])
            continue;
        w->pipe_ran[i] = 1;
        w->reply[i] = trial_run(t, w->pipe[i]);
        return true;
    }
    return false;
}

bool move_run_late(struct trial *t)
{
    struct worker *w = worker(t);
    uint32_t call = w->late[0];

    if (!call)
        return false;
    memmove(w->late, w->late + 1, sizeof w->late - sizeof w->late[0]);
    w->late[LATE - 1] = 0;
    trial_run(t, call);
    return true;
}

/* ---- a reply arrives ---- */

static int job_of(struct span id)
{
    for (int j = 0; j < JOBS; j++)
        if (id.n == strlen(job_ids[j]) && !memcmp(id.p, job_ids[j], id.n))
            return j;
    return -1;
}

static int jobs_in(const struct reply *ids)
{
    int jobs = 0;

    for (size_t i = 0; i < reply_count(ids); i++) {
        int j = job_of(reply_span(reply_at(ids, i)));

        jobs |= j >= 0 ? 1 << j : 0;
    }
    return jobs;
}

static bool says_gone(const struct reply *r) { return reply_is(reply_at(r, 0), "gone"); }

static void on_beat(struct trial *t, struct worker *w, const struct call *c, const struct reply *r)
{
    int cancelled = jobs_in(reply_at(r, 2));

    if (c->who != w->who)
        return;
    if (says_gone(r)) {
        worker_gone(t, w);
        return;
    }
    w->registered = 1;
    for (int j = 0; j < JOBS; j++)
        if (cancelled & 1 << j && w->run_state[j] && w->run_state[j] != RUN_ENDED)
            worker_let_go(t, w, j, OUT_CANCELLED);
}

static bool was_guessed(const struct worker *w, int job)
{
    for (int i = 0; i < STARTS; i++)
        if (w->start[i].flags & START_GUESS && w->start[i].jobs & 1 << job)
            return true;
    return false;
}

/* Those that are on their way back go back again. */
static int claimed_of(const struct worker *w, const struct reply *r, int queue)
{
    int jobs = jobs_in(reply_at(r, (size_t)queue + 1));

    for (int j = 0; j < JOBS; j++)
        if (was_guessed(w, j))
            jobs &= ~(1 << j);
    for (int q = 0; q < QUEUES; q++)
        jobs &= ~w->back[q];
    return jobs;
}

static void on_claim(struct trial *t, struct worker *w, const struct call *c, const struct reply *r)
{
    int jobs = 0;

    w->claiming = 0;
    if (w->old_claim) {
        w->old_claim = 0;
        w->look = 1;
        return;
    }
    if (says_gone(r)) {
        worker_gone(t, w);
        return;
    }
    for (int q = 0; q < QUEUES; q++) {
        if (c->what)
            w->ahead[q] |= (uint8_t)claimed_of(w, r, q);
        else
            jobs |= claimed_of(w, r, q);
    }
    if (jobs)
        worker_start(t, w, jobs, 0);
}

static void on_look(struct trial *t, struct worker *w, const struct call *c, const struct reply *r)
{
    int jobs = jobs_in(r);

    (void)c;
    w->claiming = w->look = w->old_claim = 0;
    for (int j = 0; j < JOBS; j++)
        if (w->run_state[j] || worker_knows(w, j))
            jobs &= ~(1 << j);
    if (jobs)
        worker_start(t, w, jobs, START_FOUND);
}

static void on_job(struct trial *t, struct worker *w, int job, int n, const struct reply *answer,
                   bool found)
{
    struct span record = reply_span(answer);

    if (record.p && !w->run_state[job]) {
        w->held[job] = held_by(record, w->who, n);
        w->run_state[job] = RUN_GOES;
        w->calls[job] = w->holds[job] = w->hold[job] = w->taken[job] = 0;
    } else if (reply_type(answer) == REPLY_INT && reply_int(answer) > 0) {
        w->newer |= (uint8_t)(1 << job);
    } else if (!record.p && found && reply_type(answer) == REPLY_NIL) {
        worker_send(t, w, (struct call){.kind = CALL_READ, .jobs = (uint8_t)job});
    }
}

static void on_start(struct trial *t, struct worker *w, const struct call *c, const struct reply *r)
{
    size_t at = 2;

    for (int i = 0; i < STARTS; i++) {
        bool found = w->start[i].flags & START_FOUND;

        if (!w->start[i].jobs || w->start[i].n != c->n || c->who != w->who)
            continue;
        memset(&w->start[i], 0, sizeof w->start[i]);
        if (says_gone(r)) {
            worker_gone(t, w);
            return;
        }
        for (int j = 0; j < JOBS; j++)
            if (c->jobs & 1 << j)
                on_job(t, w, j, c->n, reply_at(r, at++), found);
        return;
    }
}

static void drop_box(struct worker *w, uint32_t call)
{
    for (int i = 0; i < BOXES; i++) {
        if (w->box[i] != call)
            continue;
        memmove(w->box + i, w->box + i + 1, (size_t)(BOXES - 1 - i) * sizeof w->box[0]);
        memmove(w->box_sent + i, w->box_sent + i + 1, (size_t)(BOXES - 1 - i));
        w->box[BOXES - 1] = 0;
        w->box_sent[BOXES - 1] = 0;
        return;
    }
}

static void forget_run(struct worker *w, int job)
{
    w->run_state[job] = RUN_NONE;
    w->held[job] = 0;
    w->calls[job] = w->holds[job] = 0;
}

static void on_outcome(struct trial *t, struct worker *w, const struct call *c,
                       const struct reply *r)
{
    struct span codes = reply_span(reply_at(r, 1));
    char code = codes.n ? codes.p[0] : '?';

    drop_box(w, call_id(c));
    if (c->what == OUT_STRAY_BACK || c->what == OUT_STRAY_END)
        return;
    if (c->what == OUT_TELL) {
        if (w->run_state[c->jobs] == RUN_TOLD && code == SETTLE_STALE)
            worker_let_go(t, w, c->jobs, OUT_GIVE_BACK);
        else if (w->run_state[c->jobs] == RUN_TOLD)
            w->run_state[c->jobs] = RUN_GOES;
        return;
    }
    if (code == SETTLE_CANCEL) {
        w->untold[c->jobs] = c->n;
        worker_let_go(t, w, c->jobs, OUT_CANCELLED);
        return;
    }
    if (code == SETTLE_STALE)
        w->look = 1;
    else if (c->what == OUT_PUT_OFF)
        money_on_postponed(t, w, c->jobs);
    w->taken[c->jobs] = 0;
    forget_run(w, c->jobs);
}

/* A stray: strays.c's on_record. */
static void on_read(struct trial *t, struct worker *w, const struct call *c, const struct reply *r)
{
    struct span bytes = reply_span(r);
    struct record rec;
    char header[RECORD_HEADER];
    uint8_t state = w->run_state[c->jobs];
    uint32_t held = w->held[c->jobs];

    if (!bytes.p || !record_read(bytes.p, bytes.n, &rec) || rec.state != JOB_STATE_ACTIVE ||
        strncmp(rec.token, worker_ids[w->who] + 2, 8) != 0 || state)
        return;
    record_write(&rec, header);
    w->held[c->jobs] = pool_id(records, header, RECORD_HEADER);
    worker_let_go(t, w, c->jobs, rec.cancel_asked ? OUT_STRAY_END : OUT_STRAY_BACK);
    w->run_state[c->jobs] = state;
    w->held[c->jobs] = held;
}

static void on_giveback(struct trial *t, struct worker *w, const struct call *c,
                        const struct reply *r)
{
    (void)t;
    (void)r;
    if (c->who != w->who)
        return;
    if (c->what) {
        w->back[c->n] &= (uint8_t)~w->back_sent[c->n];
        w->back_sent[c->n] = 0;
        return;
    }
    w->newer &= (uint8_t)~w->newer_sent;
    w->newer_sent = 0;
}

static void (*const handlers[CALL_KINDS])(struct trial *t, struct worker *w, const struct call *c,
                                          const struct reply *r) = {
    [CALL_BEAT] = on_beat,         [CALL_CLAIM] = on_claim,     [CALL_START] = on_start,
    [CALL_OUTCOME] = on_outcome,   [CALL_LOOK] = on_look,       [CALL_READ] = on_read,
    [CALL_GIVEBACK] = on_giveback, [CALL_HOLD] = money_on_hold, [CALL_SETTLE] = money_on_settled,
    [CALL_ROOM] = money_on_room,
};

bool move_deliver(struct trial *t)
{
    struct worker *w = worker(t);
    uint32_t call = w->pipe[0], reply = w->reply[0];
    const struct call *c;

    if (!call || !w->pipe_ran[0])
        return false;
    memmove(w->pipe, w->pipe + 1, sizeof w->pipe - sizeof w->pipe[0]);
    memmove(w->reply, w->reply + 1, sizeof w->reply - sizeof w->reply[0]);
    memmove(w->pipe_ran, w->pipe_ran + 1, sizeof w->pipe_ran - 1);
    w->pipe[PIPE - 1] = w->reply[PIPE - 1] = w->pipe_ran[PIPE - 1] = 0;
    c = call_of(call);
    if (handlers[c->kind])
        handlers[c->kind](t, w, c, reply_of(reply));
    worker_kick(t, w);
    return true;
}

/* ---- it sends ---- */

static int room(const struct worker *w)
{
    int used = 0;

    for (int j = 0; j < JOBS; j++)
        used += w->run_state[j] == RUN_GOES || w->run_state[j] == RUN_TOLD;
    for (int i = 0; i < STARTS; i++)
        used += (w->start[i].jobs & 1) + (w->start[i].jobs >> 1);
    used += (w->newer & 1) + (w->newer >> 1);
    return JOBS - used;
}

static bool claim(struct trial *t, int most, bool early)
{
    struct worker *w = worker(t);
    const struct image *i = image_of(t->s.image);
    int n = room(w);

    if (!w->connected || !w->registered || w->fenced || w->claiming || w->look ||
        (n < most && !early))
        return false;
    /* a claim that can bring nothing is not explored; but one may be under way
     * behind outcomes */
    if (!i->ready[0][0] && !i->ready[1][0] && !w->box[0])
        return false;
    w->claiming = 1;
    worker_send(t, w, (struct call){.kind = CALL_CLAIM, .n = (uint8_t)most, .what = early});
    return true;
}

bool move_claim(struct trial *t) { return claim(t, JOBS, false); }

bool move_claim_one(struct trial *t) { return claim(t, 1, false); }

bool move_claim_ahead(struct trial *t) { return claim(t, 1, true); }

bool move_start_ahead(struct trial *t)
{
    struct worker *w = worker(t);
    int jobs = 0;

    for (int q = 0; q < QUEUES; q++)
        jobs |= w->ahead[q];
    if (!jobs || !w->connected || !w->registered)
        return false;
    memset(w->ahead, 0, sizeof w->ahead);
    worker_start(t, w, jobs, 0);
    return true;
}

static bool give_back(struct trial *t, struct worker *w, int queue)
{
    w->back[queue] |= w->ahead[queue];
    w->ahead[queue] = 0;
    if (!w->back[queue] || w->back_sent[queue])
        return false;
    w->back_sent[queue] = w->back[queue];
    worker_send(t, w,
                (struct call){
                    .kind = CALL_GIVEBACK, .jobs = w->back[queue], .n = (uint8_t)queue, .what = 1});
    return true;
}

bool move_ahead_back(struct trial *t)
{
    struct worker *w = worker(t);
    bool any = false;

    for (int q = 0; w->connected && q < QUEUES; q++)
        any |= give_back(t, w, q);
    return any;
}

bool move_guess(struct trial *t)
{
    struct worker *w = worker(t);

    if (w->run_state[t->m.job] || worker_knows(w, t->m.job) || !claim(t, 1, false))
        return false;
    worker_start(t, w, 1 << t->m.job, START_GUESS);
    return true;
}

bool move_outcome(struct trial *t)
{
    struct worker *w = worker(t);
    enum outcome o = (enum outcome)t->m.what;

    if (w->run_state[t->m.job] != RUN_GOES || !t->s.left.outcomes)
        return false;
    if (t->s.money && outcome_is_paid(o) && w->hold[t->m.job] != HOLD_HELD)
        return false;
    t->s.left.outcomes--;
    worker_let_go(t, w, t->m.job, o);
    return true;
}

bool move_newer_back(struct trial *t)
{
    struct worker *w = worker(t);

    if (!w->newer || w->newer_sent || !w->connected)
        return false;
    w->newer_sent = w->newer;
    worker_send(t, w, (struct call){.kind = CALL_GIVEBACK, .jobs = w->newer});
    return true;
}

bool move_call_back(struct trial *t)
{
    struct worker *w = worker(t);

    if (!w->away[t->m.job] || !w->connected)
        return false;
    worker_send(t, w,
                (struct call){.kind = CALL_RETIME,
                              .jobs = t->m.job,
                              .what = (uint8_t)(w->away[t->m.job] - 1)});
    w->away[t->m.job] = 0;
    return true;
}

bool move_look(struct trial *t)
{
    struct worker *w = worker(t);

    if (!w->up || !w->registered || w->look || w->pipe[0] || !image_of(t->s.image)->active[w->who])
        return false;
    w->look = 1;
    worker_kick(t, w);
    return true;
}

bool move_close(struct trial *t)
{
    struct worker *w = worker(t);
    bool any = false;

    for (int j = 0; w->fenced && j < JOBS; j++) {
        if (w->run_state[j] == RUN_GOES || w->run_state[j] == RUN_TOLD) {
            worker_let_go(t, w, j, OUT_GIVE_BACK);
            any = true;
        }
    }
    return any;
}
