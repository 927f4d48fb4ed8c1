/* money.c - what a worker does about the money of its calls: the shortened twin of
 * worker/budget/holds.c, budget_room.c and inference_budget.c.
 *
 *   move_hold --> asked --> held --> a paid outcome: settled with what the call cost
 *                   |         '----> any other: dropped
 *                   '--> refused: postponed, and enters the room of the budget
 *
 * Requests and settlements are kept until they are answered, and sent again after a reconnect,
 * with the last settlement that was answered. */
#include <string.h>

#include "common/queue/settle.h"
#include "tests/explore/state.h"

static struct call nameless(struct call c)
{
    c.who = 0;
    return c;
}

static void send_kept(struct trial *t, struct worker *w, int i)
{
    w->purse_sent[i] = 1;
    worker_send(t, w, *call_of(w->purse[i]));
}

static void keep(struct trial *t, struct worker *w, struct call c)
{
    for (int i = 0; i < PURSE; i++) {
        if (w->purse[i])
            continue;
        c = nameless(c);
        w->purse[i] = call_id(&c);
        if (w->connected)
            send_kept(t, w, i);
        return;
    }
    t->overflow = true;
}

static void take_out(struct worker *w, int i)
{
    memmove(w->purse + i, w->purse + i + 1, (size_t)(PURSE - 1 - i) * sizeof w->purse[0]);
    memmove(w->purse_sent + i, w->purse_sent + i + 1, (size_t)(PURSE - 1 - i));
    w->purse[PURSE - 1] = 0;
    w->purse_sent[PURSE - 1] = 0;
}

/* False: nobody waits for this answer. */
static bool answered(struct worker *w, const struct call *c)
{
    struct call kept = nameless(*c);
    uint32_t id = call_id(&kept);

    for (int i = 0; i < PURSE; i++) {
        if (w->purse[i] == id) {
            take_out(w, i);
            return true;
        }
    }
    return false;
}

/* ---- a hold ---- */

bool move_hold(struct trial *t)
{
    struct worker *w = &t->s.worker[t->m.who];
    int job = t->m.job;

    if (!t->s.money || w->run_state[job] != RUN_GOES || w->hold[job] || w->fenced ||
        w->holds[job] >= HOLDS_MOST)
        return false;
    w->hold[job] = HOLD_ASKED;
    w->again[job] = 0;
    keep(t, w,
         (struct call){
             .kind = CALL_HOLD, .jobs = (uint8_t)job, .n = ++w->holds[job], .held = w->held[job]});
    return true;
}

static bool is_present(const struct worker *w, const struct call *c)
{
    return w->hold[c->jobs] == HOLD_ASKED && w->held[c->jobs] == c->held &&
           w->holds[c->jobs] == c->n && w->run_state[c->jobs] == RUN_GOES;
}

void money_on_hold(struct trial *t, struct worker *w, const struct call *c, const struct reply *r)
{
    const struct reply *said = reply_at(reply_at(r, 2), 0);

    if (!answered(w, c) || !is_present(w, c))
        return;
    if (reply_type(said) == REPLY_INT) {
        w->hold[c->jobs] = HOLD_HELD;
        return;
    }
    w->hold[c->jobs] = HOLD_NONE;
    if (reply_int(reply_at(said, 0)) == 4) {
        worker_gone(t, w);
        worker_let_go(t, w, c->jobs, OUT_GIVE_BACK);
        return;
    }
    w->taken[c->jobs] =
        (uint8_t)((reply_int(reply_at(said, 2)) + reply_int(reply_at(said, 3))) / 20);
    worker_let_go(t, w, c->jobs, OUT_PUT_OFF);
}

static void look_into_room(struct trial *t, struct worker *w)
{
    if (w->connected && pool_bytes(texts, image_of(t->s.image)->room).n)
        worker_send(t, w, (struct call){.kind = CALL_ROOM});
}

/* The request goes no more; what was sent of it may still run. */
static void give_up(struct worker *w, const struct call *made)
{
    struct call c = nameless(*made);
    uint32_t id = call_id(&c);

    for (int i = 0; i < PURSE; i++)
        if (w->purse[i] == id && !w->purse_sent[i])
            take_out(w, i);
}

bool money_let_go(struct trial *t, struct worker *w, int job, bool paid)
{
    uint8_t state = w->hold[job];
    struct call c = {.kind = CALL_SETTLE,
                     .jobs = (uint8_t)job,
                     .n = w->holds[job],
                     .held = w->held[job],
                     .what = SETTLED_CALLED};
    struct call made = c;

    w->hold[job] = HOLD_NONE;
    if (!t->s.money || state == HOLD_NONE)
        return false;
    made.kind = CALL_HOLD;
    made.what = 0;
    if (!paid) {
        give_up(w, &made);
        if (w->fenced) /* whoever took the job over charges it */
            return false;
        c.what = SETTLED_UNMADE;
    }
    if (state == HOLD_ASKED || w->again[job])
        c.what |= SETTLED_MAY_COME;
    keep(t, w, c);
    look_into_room(t, w);
    return paid;
}

void money_on_settled(struct trial *t, struct worker *w, const struct call *c,
                      const struct reply *r)
{
    (void)t;
    (void)r;
    if (answered(w, c)) {
        struct call kept = nameless(*c);

        w->settled_last = call_id(&kept);
    }
}

/* ---- the room ---- */

void money_on_postponed(struct trial *t, struct worker *w, int job)
{
    if (w->taken[job] && w->connected)
        worker_send(
            t, w,
            (struct call){.kind = CALL_ROOM, .jobs = (uint8_t)job, .what = 1, .n = w->taken[job]});
    w->taken[job] = 0;
}

void money_on_room(struct trial *t, struct worker *w, const struct call *c, const struct reply *r)
{
    const struct reply *room = reply_at(r, 0);

    (void)c;
    for (size_t i = 1; i + 1 < reply_count(room); i += 2) {
        struct span entry = reply_span(reply_at(room, i));

        worker_send(
            t, w,
            (struct call){.kind = CALL_RETIME, .jobs = entry.p[entry.n - 1] == 'b', .what = 0});
    }
}

/* ---- connections ---- */

static void send_again(struct trial *t, struct worker *w, int i)
{
    const struct call *c = call_of(w->purse[i]);

    if (c->kind == CALL_HOLD)
        w->again[c->jobs] = 1;
    send_kept(t, w, i);
}

void money_connect(struct trial *t, struct worker *w)
{
    if (w->settled_last)
        keep(t, w, *call_of(w->settled_last));
    w->settled_last = 0;
    for (int i = 0; i < PURSE && w->purse[i]; i++) {
        const struct call *c = call_of(w->purse[i]);

        if (w->purse_sent[i])
            continue;
        if (c->kind == CALL_HOLD && !is_present(w, c)) /* it was given up */
            take_out(w, i--);
        else
            send_again(t, w, i);
    }
}

bool money_knows(const struct worker *w, const char *hold)
{
    char name[96];

    for (int j = 0; j < JOBS; j++) {
        struct call c = {.jobs = (uint8_t)j, .held = w->held[j]};

        if (!w->hold[j])
            continue;
        hold_name_of(name, &c, w->holds[j]);
        if (!strcmp(name, hold))
            return true;
    }
    for (int i = 0; i < PURSE && w->purse[i]; i++) {
        const struct call *c = call_of(w->purse[i]);

        hold_name_of(name, c, c->n);
        if (!strcmp(name, hold))
            return true;
    }
    return false;
}
