/* worker_rules.c - what a worker process does by itself when something has
 * happened: see state.h.
 *
 * Each function is the shortened twin of one in worker/: worker_send of
 * redis_send and the open batch of outbox.c, worker_start of starts.c,
 * worker_gone and worker_kick of life.c. */
#include <string.h>

#include "common/queue/settle.h"
#include "tests/explore/state.h"

void worker_send(struct trial *t, struct worker *w, struct call c)
{
    c.who = w->who;
    for (int i = 0; i < PIPE; i++) {
        if (!w->pipe[i]) {
            w->pipe[i] = call_id(&c);
            return;
        }
    }
    t->overflow = true;
}

/* ---- the outbox ---- */

static void put_in_box(struct trial *t, struct worker *w, struct call c)
{
    c.who = w->who;
    for (int i = 0; i < BOXES; i++) {
        if (w->box[i])
            continue;
        w->box[i] = call_id(&c);
        w->box_sent[i] = w->connected;
        if (w->connected)
            worker_send(t, w, c);
        return;
    }
    t->overflow = true;
}

void worker_let_go(struct trial *t, struct worker *w, int job, enum outcome o)
{
    struct call c = {
        .kind = CALL_OUTCOME, .jobs = (uint8_t)job, .what = (uint8_t)o, .held = w->held[job]};

    if (outcome_is_paid(o))
        c.n = ++w->calls[job];
    if (money_let_go(t, w, job, outcome_is_paid(o)))
        c.docs[0] = w->holds[job];
    if (o == OUT_CANCELLED) /* what the outcome before it carried, which was not
                               written */
        c.n = w->untold[job];
    w->untold[job] = 0;
    if (o == OUT_TELL) {
        w->run_state[job] = RUN_TOLD;
    } else {
        w->run_state[job] = RUN_ENDED;
    }
    if (o == OUT_PUT_OFF && !w->taken[job])
        w->away[job] = memcmp(header_of(w->held[job]) + 104, "02", 2) == 0 ? 1 : 2;
    put_in_box(t, w, c);
}

/* ---- starts ---- */

int worker_early(const struct worker *w)
{
    int jobs = 0;

    for (int q = 0; q < QUEUES; q++)
        jobs |= w->ahead[q] | w->back[q];
    return jobs;
}

bool worker_knows(const struct worker *w, int job)
{
    if ((w->newer | worker_early(w)) & 1 << job)
        return true;
    for (int i = 0; i < STARTS; i++)
        if (w->start[i].jobs & 1 << job)
            return true;
    return false;
}

static void send_start(struct trial *t, struct worker *w, int i)
{
    w->start[i].flags |= START_SENT;
    worker_send(t, w,
                (struct call){.kind = CALL_START,
                              .jobs = w->start[i].jobs,
                              .n = w->start[i].n,
                              .what = w->start[i].flags & START_GUESS ? 1 : 0});
}

void worker_start(struct trial *t, struct worker *w, int jobs, int flags)
{
    for (int i = 0; i < STARTS; i++) {
        if (w->start[i].jobs)
            continue;
        w->start[i].jobs = (uint8_t)jobs;
        w->start[i].flags = (uint8_t)flags;
        w->start[i].n = ++w->starts_made;
        send_start(t, w, i);
        return;
    }
    t->overflow = true;
}

/* ---- life ---- */

bool worker_is_idle(const struct trial *t, int who)
{
    const struct worker *w = &t->s.worker[who % WORKERS];
    bool busy = image_of(t->s.image)->active[who] || w->late[0];

    if (w->who == who && w->up)
        busy |= w->pipe[0] || w->box[0] || w->start[0].jobs || w->purse[0] || w->newer ||
                worker_early(w);
    return !busy;
}

void worker_gone(struct trial *t, struct worker *w)
{
    if (!w->registered)
        return;
    w->registered = 0;
    w->fenced = 1;
    w->look = 0;
    w->old_claim = w->claiming;
    memset(w->start, 0, sizeof w->start);
    w->newer = w->newer_sent = 0;
    memset(w->ahead, 0, sizeof w->ahead);
    memset(w->back, 0, sizeof w->back);
    memset(w->back_sent, 0, sizeof w->back_sent);
    worker_kick(t, w);
}

static bool is_empty(const struct worker *w)
{
    for (int j = 0; j < JOBS; j++)
        if (w->run_state[j])
            return false;
    return !w->box[0];
}

static void send_beat(struct trial *t, struct worker *w)
{
    w->beats = (uint8_t)(w->beats < 8 ? w->beats + 1 : 7);
    worker_send(t, w,
                (struct call){.kind = CALL_BEAT, .n = w->beats, .what = w->registered ? 0 : 1});
}

static void come_back(struct trial *t, struct worker *w)
{
    if (!is_empty(w))
        return;
    if (w->who + WORKERS >= IDS) { /* no more ids are explored: it stays away */
        t->overflow = true;
        return;
    }
    w->fenced = 0;
    w->who = (uint8_t)(w->who + WORKERS);
    w->beats = w->starts_made = 0;
    if (w->connected)
        send_beat(t, w);
}

void worker_kick(struct trial *t, struct worker *w)
{
    if (w->fenced) {
        come_back(t, w);
        return;
    }
    if (!w->registered || !w->connected)
        return;
    for (int i = 0; i < STARTS; i++)
        if (w->start[i].jobs && !(w->start[i].flags & START_SENT))
            send_start(t, w, i);
    if (w->look && !w->claiming) {
        w->claiming = 1;
        worker_send(t, w, (struct call){.kind = CALL_LOOK});
    }
}

bool move_connect(struct trial *t)
{
    struct worker *w = &t->s.worker[t->m.who];

    if (!w->up || w->connected)
        return false;
    w->connected = 1;
    if (!w->fenced)
        send_beat(t, w);
    money_connect(t, w);
    for (int i = 0; i < BOXES && w->box[i]; i++) {
        w->box_sent[i] = 1;
        worker_send(t, w, *call_of(w->box[i]));
    }
    for (int i = 0; i < STARTS; i++)
        if (w->start[i].jobs && !(w->start[i].flags & START_SENT))
            send_start(t, w, i);
    w->look = 1;
    worker_kick(t, w);
    return true;
}

bool move_beat(struct trial *t)
{
    struct worker *w = &t->s.worker[t->m.who];
    const struct image *i = image_of(t->s.image);
    bool news = i->cancels || !i->beat[w->who];

    for (int r = 0; r < RESCUES; r++)
        news |= t->s.rescue[r].at != 0;
    if (!w->connected || w->fenced || !news)
        return false;
    for (int k = 0; k < PIPE && w->pipe[k]; k++)
        if (call_of(w->pipe[k])->kind == CALL_BEAT)
            return false;
    send_beat(t, w);
    return true;
}
