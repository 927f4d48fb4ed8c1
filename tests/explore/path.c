/* path.c - prints how a rule came to be broken: a line per move, with what
 * Redis answered. */
#include <stdio.h>

#include "tests/explore/scope.h"

static const char *const texts_of[] = {
#define X(NAME, function, reach, text) text,
#include "tests/explore/moves.def"
};

static void print_move(struct trial *t, struct buf *b)
{
    const struct move *m = &t->m;

    t->print = b;
    if (m->kind <= MOVE_RESPAWN)
        buf_printf(b, "worker %s ", worker_ids[t->s.worker[m->who].who]);
    else if (m->kind <= MOVE_ABORT)
        buf_printf(b, "%s ",
                   m->who == OFFICES ? "the replacement"
                   : m->who == 0     ? "reaper 1"
                                     : "reaper 2");
    else if (m->kind != MOVE_LEASE_ENDS && m->kind < MOVE_PUSH)
        buf_printf(b, m->who ? "scheduler %d " : "an operator ", m->who);
    buf_puts(b, texts_of[m->kind]);
    if (m->kind == MOVE_OUTCOME)
        buf_printf(b, " of %s: %s", job_ids[m->job], outcome_text((enum outcome)m->what));
    if (m->kind == MOVE_REAP || m->kind == MOVE_TAKE_OVER)
        buf_printf(b, " %s%s%s", worker_ids[m->what],
                   m->kind == MOVE_TAKE_OVER && m->job ? ", blames " : "",
                   m->kind == MOVE_TAKE_OVER && m->job ? job_ids[m->job - 1] : "");
    if (m->kind == MOVE_GUESS || m->kind == MOVE_CALL_BACK || m->kind == MOVE_PUSH ||
        m->kind == MOVE_READ)
        buf_printf(b, " %s", job_ids[m->job]);
    (void)scope_move(t);
    t->print = NULL;
}

void path_print(const struct scope *c, const struct move *path, size_t n)
{
    struct trial t = {.print = NULL};

    printf("%s: a rule is broken after %zu moves\n", c->name, n);
    scope_begin(c, &t.s);
    for (size_t i = 0; i < n; i++) {
        struct buf b = BUF(1 << 16);

        t.m = path[i];
        print_move(&t, &b);
        printf("  %2zu  %s\n", i + 1, b.p);
        buf_done(&b);
    }
    printf("  broken: %s\n", t.broken ? t.broken : "(not met again)");
}
