/* moves_ends.c - a worker loses its connection, or its process ends: see
 * moves.def. */
#include <string.h>

#include "tests/explore/state.h"

static struct worker *worker(struct trial *t) { return &t->s.worker[t->m.who]; }

static void lose_pipe(struct worker *w)
{
    for (int i = 0; i < PIPE && w->pipe[i]; i++) {
        const struct call *c = call_of(w->pipe[i]);

        if (c->kind == CALL_CLAIM)
            w->look = 1;
        if (c->kind == CALL_CLAIM || c->kind == CALL_LOOK)
            w->claiming = w->old_claim = 0;
    }
    memset(w->pipe, 0, sizeof w->pipe);
    memset(w->pipe_ran, 0, sizeof w->pipe_ran);
    memset(w->reply, 0, sizeof w->reply);
    memset(w->box_sent, 0, sizeof w->box_sent);
    memset(w->purse_sent, 0, sizeof w->purse_sent);
    w->newer_sent = 0;
    memset(w->back_sent, 0, sizeof w->back_sent);
    for (int i = 0; i < STARTS; i++)
        w->start[i].flags &= (uint8_t)~START_SENT;
    w->connected = 0;
}

bool move_cut(struct trial *t)
{
    struct worker *w = worker(t);

    if (!w->connected || !t->s.left.cuts || !w->pipe[0])
        return false;
    t->s.left.cuts--;
    lose_pipe(w);
    return true;
}

/* What was sent and has not run; returns how many. */
static size_t sent_calls(const struct worker *w, uint32_t ret[LATE])
{
    size_t n = 0;

    memset(ret, 0, LATE * sizeof *ret);
    for (int i = 0; i < PIPE && w->pipe[i] && n < LATE; i++)
        if (!w->pipe_ran[i] && call_of(w->pipe[i])->kind != CALL_LOOK)
            ret[n++] = w->pipe[i];
    return n;
}

bool move_cut_late(struct trial *t)
{
    struct worker *w = worker(t);
    uint32_t sent[LATE];

    if (!t->s.left.late || w->late[0] || !sent_calls(w, sent) || !move_cut(t))
        return false;
    t->s.left.late--;
    memcpy(w->late, sent, sizeof sent);
    return true;
}

/* What it has sent may run after its death. */
static bool end_process(struct trial *t, bool late)
{
    struct worker *w = worker(t);
    uint8_t who = w->who;
    uint32_t sent[LATE] = {0};

    if (!w->up || !t->s.left.kills || w->late[0] || worker_is_idle(t, w->who))
        return false;
    if (late && !sent_calls(w, sent))
        return false;
    t->s.left.kills--;
    t->s.owed |= (uint8_t)(1 << who);
    memset(w, 0, sizeof *w);
    w->who = who;
    memcpy(w->late, sent, sizeof sent);
    return true;
}

bool move_kill(struct trial *t) { return end_process(t, false); }

bool move_kill_late(struct trial *t) { return end_process(t, true); }

bool move_respawn(struct trial *t)
{
    struct worker *w = worker(t);

    if (w->up || w->who + WORKERS >= IDS)
        return false;
    w->up = 1;
    w->who = (uint8_t)(w->who + WORKERS);
    return true;
}
