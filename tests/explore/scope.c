/* scope.c - see scope.h. */
#include "tests/explore/scope.h"

#include "tests/explore/rescue.h"

#include <string.h>

static bool (*const functions[])(struct trial *t) = {
#define X(NAME, function, reach, text) move_##function,
#include "tests/explore/moves.def"
};

enum reach { INSIDE, OUTSIDE };

static const enum reach reaches[] = {
#define X(NAME, function, reach, text) reach,
#include "tests/explore/moves.def"
};

/* ---- the moves of a scope ---- */

static void add(struct moves *s, enum move_kind kind, int who, int job, int what)
{
    s->list[s->count++] = (struct move){(uint8_t)kind, (uint8_t)who, (uint8_t)job, (uint8_t)what};
}

static void add_outcomes(struct moves *s, const struct scope *c, int who, int job)
{
    static const char letters[OUT_COUNT + 1] = {
#define X(NAME, letter, text, paid) letter,
#include "tests/explore/outcomes.def"
    };

    for (const char *o = c->outcomes; *o; o++)
        add(s, MOVE_OUTCOME, who, job, (int)(strchr(letters, *o) - letters));
}

static void add_worker(struct moves *s, const struct scope *c, int who)
{
    for (int kind = MOVE_RUN; kind <= MOVE_RESPAWN; kind++) {
        bool by_job = kind == MOVE_GUESS || kind == MOVE_CALL_BACK || kind == MOVE_HOLD;

        if (kind == MOVE_OUTCOME)
            for (int j = 0; j < c->jobs; j++)
                add_outcomes(s, c, who, j);
        else if (kind != MOVE_CLAIM_ONE || c->jobs > 1)
            for (int j = 0; j < (by_job ? c->jobs : 1); j++)
                add(s, (enum move_kind)kind, who, j, 0);
    }
}

void scope_moves(const struct scope *c, struct moves *s)
{
    s->count = 0;
    for (int w = 0; w < c->workers; w++)
        add_worker(s, c, w);
    for (int id = 0; id < IDS; id++) {
        for (int k = 0; k < c->schedulers; k++)
            add(s, MOVE_REAP, k, 0, id);
        for (int j = 0; j <= c->jobs; j++)
            add(s, MOVE_TAKE_OVER, OFFICES, j, id);
    }
    for (int r = 0; r < RESCUES; r++) {
        add(s, MOVE_RECOVER, r, 0, 0);
        add(s, MOVE_ABORT, r, 0, 0);
    }
    for (int k = 1; k <= c->schedulers; k++)
        for (int kind = MOVE_LEASE; kind <= MOVE_RUN_SUBMIT; kind++)
            add(s, (enum move_kind)kind, k, 0, 0);
    for (int k = 0; k <= c->schedulers; k++)
        for (int j = 0; j < c->jobs; j++)
            add(s, MOVE_READ, k, j, 0);
    for (int j = 0; c->start == 'i' && j < c->jobs; j++)
        add(s, MOVE_PUSH, 0, j, 0);
    for (int kind = MOVE_WRITE; kind <= MOVE_TIME; kind++)
        if (kind != MOVE_PUSH)
            add(s, (enum move_kind)kind, 0, 0, 0);
    add(s, MOVE_LEASE_ENDS, 0, 0, 0);
}

/* ---- a move ---- */

bool scope_move(struct trial *t)
{
    const struct move *m = &t->m;

    if (t->s.turn && (m->kind > MOVE_RESPAWN || m->who + 1 != t->s.turn))
        return false;
    if (!functions[m->kind](t))
        return false;
    t->s.turn = reaches[m->kind] == INSIDE ? (uint8_t)(m->who + 1) : 0;
    return true;
}

/* ---- the first state ---- */

/* The first job's record is of a version that this program does not know. */
static void make_newer(struct state *s)
{
    struct image i = *image_of(s->image);
    struct span old = pool_bytes(records, i.record[0]);
    char bytes[RECORD_HEADER + 1];

    memcpy(bytes, old.p, old.n);
    memcpy(bytes, "02", 2);
    i.record[0] = pool_id(records, bytes, old.n);
    s->image = image_id(&i);
}

void scope_begin(const struct scope *c, struct state *ret)
{
    struct image i = {0};
    struct trial t = {.print = NULL};

    *ret = (struct state){.left = c->budget};
    t.s.money = c->money;
    rescue_with_money(c->money);
    for (int j = 0; j < (c->start == 'i' ? 1 : c->jobs); j++) {
        i.intake[j] = (uint8_t)(j + 1);
        t.s.pushed |= (uint8_t)(1 << j);
    }
    i.lease = 1;
    t.s.image = image_id(&i);
    t.s.office[0] = (struct office){.believes = 1, .token = 1};
    t.s.office[1].token = 3;
    if (c->start != 'i') {
        t.m.who = 1;
        move_take(&t);
        move_submit(&t);
    }
    if (c->start == 'n')
        make_newer(&t.s);
    t.s.left = c->budget;
    t.s.money = c->money;
    for (int w = 0; w < c->workers; w++) { /* connected and registered */
        t.m.who = (uint8_t)w;
        t.s.worker[w] = (struct worker){.up = 1, .who = (uint8_t)w};
        move_connect(&t);
        move_run(&t);
        move_deliver(&t);
        move_run(&t);
        move_deliver(&t);
    }
    if (c->workers > 1) { /* they are alike: let it be this one that is the first */
        t.m.who = 0;
        move_claim(&t);
        move_run(&t);
    }
    *ret = t.s;
    ret->seen = 0;
}
