/* money_rules.c - what must hold of a budget after every move.
 *
 *   reserved is what the open holds set aside; spent and reserved are never over the limit
 *   a hold is made once, by its worker's call, while the worker is registered
 *   it is charged by a recovery, and by nothing else; it is settled by its worker, and by nothing
 *     else; each changes what is spent by just what it says
 *   an open hold is known to the process that will settle it, or its worker is registered and dead,
 *     so that a recovery will charge it */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/explore/state.h"

/* State of a hold in an image: 'o', 'c', or '-' when it is not there. */
static char state_of(uint32_t holds, const char *hold, long *amount)
{
    struct span all = pool_bytes(texts, holds);
    size_t n = strlen(hold);

    for (const char *p = all.p; p && *p; p += strcspn(p, " ")) {
        if (strncmp(++p, hold, n) != 0 || p[n] != '=')
            continue;
        *amount = strtol(p + n + 2, NULL, 10);
        return p[n + 1];
    }
    *amount = 0;
    return '-';
}

static bool is_of(const struct call *c, enum call_kind kind, const char *hold)
{
    char name[96];

    if (c->kind != kind)
        return false;
    hold_name_of(name, c, c->n);
    return !strcmp(name, hold);
}

struct change {
    struct trial *t;
    const struct call *c;
    uint32_t before, after;
    long spent, reserved; /* what the sum should be afterwards */
};

/* The news of a hold: it may be made once. */
static void made(struct change *h, const char *hold)
{
    char word[104];

    snprintf(word, sizeof word, " #%s", hold);
    if (strstr(pool_bytes(texts, h->t->s.seen).p, word))
        h->t->broken = "a hold was made again after it was settled";
    rules_hear(h->t, pool_id(texts, word, strlen(word)));
}

static void look_at_hold(struct change *h, const char *hold)
{
    long had, has;
    char was = state_of(image_of(h->before)->holds, hold, &had);
    char is = state_of(image_of(h->after)->holds, hold, &has);
    bool settles = is_of(h->c, CALL_SETTLE, hold);
    long cost = h->c->what & SETTLED_CALLED ? COST_NANOUSD : 0;

    if (is == 'o')
        h->reserved += has;
    if (was == is && had == has)
        return;
    if (was == '-' && is == 'o' && is_of(h->c, CALL_HOLD, hold))
        made(h, hold);
    else if (was == 'o' && is == 'c' && h->c->kind == CALL_RAW)
        h->spent += had;
    else if (was == 'o' && settles && (is == '-' || !has))
        h->spent += cost;
    else if (was == 'c' && settles && (is == '-' || !has))
        h->spent += cost - had;
    else if (!(was == '-' && is == 'c' && !has && settles)) /* it will never be made */
        h->t->broken = "a hold was changed by a call that may not do so";
}

static void look_at_all(struct change *h, uint32_t holds, bool only_new)
{
    struct span all = pool_bytes(texts, holds);
    char hold[96];
    long amount;

    for (const char *p = all.p; p && *p; p += strcspn(p, " ")) {
        snprintf(hold, sizeof hold, "%.*s", (int)strcspn(p + 1, "="), p + 1);
        p++;
        if (!only_new || state_of(image_of(h->before)->holds, hold, &amount) == '-')
            look_at_hold(h, hold);
    }
}

/* ---- who settles it ---- */

static bool is_under_way(const uint32_t *calls, size_t most, const char *hold)
{
    for (size_t i = 0; i < most; i++)
        if (calls[i] && is_of(call_of(calls[i]), CALL_SETTLE, hold))
            return true;
    return false;
}

static const char *owner_of(const struct state *s, const struct image *i, const char *hold)
{
    const char *token = strchr(hold, ':') + 1;

    for (int id = 0; id < IDS; id++) {
        const struct worker *w = &s->worker[id % WORKERS];
        bool lives = w->up && w->who == id;

        if (strncmp(worker_ids[id] + 2, token, 8) != 0)
            continue;
        if (!i->beat[id])
            return "a worker that is not registered has an open hold";
        if (lives && !w->fenced && !money_knows(w, hold) && !is_under_way(w->late, LATE, hold))
            return "an open hold is known to nobody";
    }
    return NULL;
}

static const char *look_for_owners(const struct state *s, const struct image *i)
{
    struct span all = pool_bytes(texts, i->holds);
    const char *broken = NULL;
    char hold[96];

    for (const char *p = all.p; p && *p && !broken; p += strcspn(p, " ")) {
        size_t n = strcspn(++p, "=");

        snprintf(hold, sizeof hold, "%.*s", (int)n, p);
        if (p[n + 1] == 'o')
            broken = owner_of(s, i, hold);
    }
    return broken;
}

void rules_of_money(struct trial *t, const struct call *c, uint32_t before, uint32_t after)
{
    const struct image *was = image_of(before), *is = image_of(after);
    struct change h = {.t = t, .c = c, .before = before, .after = after, .spent = was->spent};

    if (!t->s.money)
        return;
    look_at_all(&h, was->holds, false);
    look_at_all(&h, is->holds, true);
    if (is->reserved != h.reserved)
        t->broken = "reserved is not what the open holds set aside";
    if (is->spent != h.spent)
        t->broken = "what is spent was changed by something else than a hold";
    if (is->spent + is->reserved > LIMIT_NANOUSD)
        t->broken = "a budget is over its limit";
    if (!t->broken)
        t->broken = look_for_owners(&t->s, is);
}
