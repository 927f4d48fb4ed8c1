/* moves_fleet.c - recoveries, schedulers, operators, time: see moves.def.
 *
 * What these send is run and answered in one move: between its reply and its
 * next command others may do anything, so that nothing is left out. */
#include <string.h>

#include "common/queue/settle.h"
#include "tests/explore/rescue.h"
#include "tests/explore/state.h"

/* ---- recoveries ---- */

static bool lives(const struct state *s, int who)
{
    const struct worker *w = &s->worker[who % WORKERS];

    return w->up && w->who == who;
}

/* Its code may run while the process dies: it is active there. */
static bool may_crash(const struct trial *t, int job, int who)
{
    uint32_t record = image_of(t->s.image)->record[job];

    return record && header_of(record)[2] == 'a' &&
           !memcmp(header_of(record) + 10, worker_ids[who] + 2, 8);
}

/* what: the id. */
bool move_reap(struct trial *t)
{
    struct rescue *r = &t->s.rescue[t->m.who];
    const struct image *i = image_of(t->s.image);
    struct rescue_start start = {.who = t->m.what, .scheduler = t->s.office[t->m.who].token};

    if (r->at || !t->s.office[t->m.who].believes || t->s.office[t->m.who].token != i->lease)
        return false;
    start.beat = i->beat[t->m.what];
    if (worker_is_idle(t, t->m.what))
        return false;
    if (!start.beat && !i->active[t->m.what]) /* nobody knows the worker: a sweep */
        return false;
    if (start.beat && lives(&t->s, t->m.what)) {
        if (!t->s.left.stalls)
            return false;
        t->s.left.stalls--;
    }
    r->at = rescue_begin(&start);
    return true;
}

/* job: 1 + the job that crashed it. */
bool move_take_over(struct trial *t)
{
    struct rescue *r = &t->s.rescue[t->m.who];

    if (r->at || !(t->s.owed & 1 << t->m.what) || worker_is_idle(t, t->m.what))
        return false;
    if (t->m.job && !may_crash(t, t->m.job - 1, t->m.what))
        return false;
    r->at = rescue_begin(&(struct rescue_start){.who = t->m.what, .blame = t->m.job});
    return true;
}

bool move_recover(struct trial *t)
{
    struct rescue *r = &t->s.rescue[t->m.who];
    uint32_t command, reply;

    if (!r->at)
        return false;
    command = rescue_command(r->at);
    reply = trial_run_raw(t, command);
    r->at = rescue_answer(r->at, reply);
    if (!rescue_command(r->at))
        r->at = 0;
    return true;
}

bool move_abort(struct trial *t)
{
    struct rescue *r = &t->s.rescue[t->m.who];

    if (!r->at || !t->s.left.cuts)
        return false;
    t->s.left.cuts--;
    r->at = 0;
    return true;
}

/* ---- schedulers ---- */

static struct office *office(struct trial *t) { return &t->s.office[t->m.who - 1]; }

static void change(struct trial *t, const struct image *i) { t->s.image = image_id(i); }

bool move_lease_ends(struct trial *t)
{
    struct image i = *image_of(t->s.image);

    if (!i.lease || !t->s.left.leases)
        return false;
    t->s.left.leases--;
    i.lease = 0;
    change(t, &i);
    return true;
}

static uint32_t run(struct trial *t, struct call c) { return trial_run(t, call_id(&c)); }

bool move_lease(struct trial *t)
{
    struct office *o = office(t);
    const struct reply *r;

    if (!o->renew && (image_of(t->s.image)->lease || o->believes))
        return false;
    r = reply_of(run(t, (struct call){.kind = CALL_LEASE, .n = o->token}));
    o->believes = reply_is(r, "held") || reply_is(r, "taken");
    o->renew = 0;
    if (!o->believes)
        memset(o->hand, 0, sizeof o->hand);
    return true;
}

static bool may_send(const struct office *o) { return o->believes && !o->renew; }

/* A reply that says `deposed` ends what it believes. */
static const struct reply *as_holder(struct trial *t, struct call c)
{
    struct office *o = office(t);
    const struct reply *r;

    c.n = o->token;
    r = reply_of(run(t, c));
    if (reply_is(reply_at(r, 0), "deposed")) {
        o->believes = 0;
        memset(o->hand, 0, sizeof o->hand);
    }
    return r;
}

bool move_promote(struct trial *t)
{
    if (!may_send(office(t)) || !image_of(t->s.image)->delayed[0])
        return false;
    as_holder(t, (struct call){.kind = CALL_PROMOTE});
    return true;
}

static int doc_of(struct span doc)
{
    for (int j = 0; j < JOBS; j++)
        if (doc.n == strlen(job_docs[j]) && !memcmp(doc.p, job_docs[j], doc.n))
            return j + 1;
    return 0;
}

bool move_take(struct trial *t)
{
    const struct image *i = image_of(t->s.image);
    struct office *o = office(t);
    const struct reply *entries;
    size_t n;

    if (!may_send(o) || o->hand[0] || !(i->intake[0] | i->taken[0]))
        return false;
    entries = reply_at(as_holder(t, (struct call){.kind = CALL_TAKE}), 2);
    n = reply_count(entries);
    for (size_t k = 0; k < n && k < DOCS; k++)
        o->hand[k] = (uint8_t)doc_of(reply_span(reply_at(entries, n - 1 - k)));
    return true;
}

static struct call submit_of(struct trial *t)
{
    struct office *o = office(t);
    struct call c = {.kind = CALL_SUBMIT, .n = o->token};

    while (c.what < DOCS && o->hand[c.what])
        c.what++;
    memcpy(c.docs, o->hand, DOCS);
    memset(o->hand, 0, DOCS);
    return c;
}

bool move_submit(struct trial *t)
{
    if (!office(t)->hand[0] || !may_send(office(t)))
        return false;
    as_holder(t, submit_of(t));
    return true;
}

bool move_submit_late(struct trial *t)
{
    struct office *o = office(t);
    struct call c;

    if (!o->hand[0] || o->late || !t->s.left.late || o->token % 2 == 0)
        return false;
    t->s.left.late--;
    c = submit_of(t);
    o->late = call_id(&c);
    o->token++;
    o->renew = 1;
    return true;
}

bool move_run_submit(struct trial *t)
{
    uint32_t call = office(t)->late;

    if (!call)
        return false;
    office(t)->late = 0;
    trial_run(t, call);
    return true;
}

/* ---- whoever reads and then writes ---- */

/* who: 0 an operator, else the scheduler that expires. */
bool move_read(struct trial *t)
{
    struct desk *d = &t->s.desk;
    uint32_t record = image_of(t->s.image)->record[t->m.job];
    const char *header = record ? header_of(record) : NULL;

    if (d->held || !header || !t->s.left.operators || !strchr(t->m.who ? "r" : "raf", header[2]))
        return false;
    if (t->m.who && (!may_send(office(t)) || memcmp(header + 26, "00000000000", 11) != 0))
        return false;
    t->s.left.operators--;
    *d = (struct desk){.held = pool_id(records, header, RECORD_HEADER),
                       .job = t->m.job,
                       .expires = t->m.who ? office(t)->token : 0};
    t->s.again = 1;
    return true;
}

static void write(struct trial *t)
{
    const struct desk *d = &t->s.desk;
    char state = header_of(d->held)[2];

    run(t, (struct call){.kind = state == 'a'   ? CALL_CANCEL
                                 : state == 'f' ? CALL_REPLAY
                                                : CALL_END,
                         .jobs = d->job,
                         .n = d->expires,
                         .held = d->held});
}

bool move_write(struct trial *t)
{
    if (!t->s.desk.held)
        return false;
    write(t);
    t->s.desk = (struct desk){0};
    t->s.again = 0;
    return true;
}

bool move_write_again(struct trial *t)
{
    if (!t->s.desk.held || !t->s.again)
        return false;
    write(t);
    t->s.again = 0;
    return true;
}

/* ---- producers and time ---- */

bool move_push(struct trial *t)
{
    struct image i = *image_of(t->s.image);

    if (i.intake[DOCS - 1] || !t->s.left.times)
        return false;
    t->s.left.times--;
    for (int d = 0; d < DOCS; d++) {
        if (i.intake[d])
            continue;
        i.intake[d] = (uint8_t)(t->m.job + 1);
        break;
    }
    t->s.pushed |= (uint8_t)(1 << t->m.job);
    change(t, &i);
    return true;
}

bool move_time(struct trial *t)
{
    struct image i = *image_of(t->s.image);
    bool any = false;

    if (!t->s.left.times)
        return false;
    for (int k = 0; k < DELAYED; k++) {
        any |= i.delayed[k] & AT_LATER;
        i.delayed[k] &= (uint8_t)~AT_LATER;
    }
    for (int j = 0; j < JOBS; j++) {
        uint32_t due = record_due(i.record[j]);

        any |= due != i.record[j];
        i.record[j] = due;
    }
    if (!any)
        return false;
    t->s.left.times--;
    image_sort(&i);
    change(t, &i);
    return true;
}
