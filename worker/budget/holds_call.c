/* holds_call.c - one call of lua/budget.lua: what is asked, what was answered.
 *
 *   sums (budget, period, tenant): each once, with its limit      "rows"
 *   holds to settle, with what their calls cost
 *   holds to make, each with the numbers of its rows
 *
 * It is written again for every try: the names of sums depend on the period, and
 * holds that were given up since the first try are not asked for again. */
#include "worker/budget/holds_private.h"

#include <stdio.h>
#include <string.h>

#include "common/core/xalloc.h"
#include "worker/env.h"

/* ---- rows ---- */

static unsigned short row_of(struct hold_batch *b, const struct hold *h,
                             const struct config_budget *g, int64_t now_ms)
{
    const struct span tenant = {h->tenant, strlen(h->tenant)};
    struct hold_row row = {.budget = g};
    size_t i = 0;

    budget_period_at(g->per, now_ms, &row.period);
    budget_sum_name(g, &row.period, tenant, row.name);
    while (i < b->row_count && strcmp(b->rows[i].name, row.name) != 0)
        i++;
    if (i == b->row_count) {
        b->rows = xrealloc(b->rows, (b->row_count + 1) * sizeof *b->rows);
        b->rows[b->row_count++] = row;
    }
    return (unsigned short)i;
}

/* The holds that are still wanted. */
static size_t find_rows(struct hold_batch *b, int64_t now_ms)
{
    size_t wanted = 0;

    b->row_count = 0;
    for (size_t i = 0; i < b->made.count; i++) {
        struct hold *h = b->made.items[i];

        h->written = !h->given_up;
        if (!h->written)
            continue;
        h->may_come = b->tries > 1;
        wanted++;
        for (size_t k = 0; k < h->count; k++)
            h->rows[k] = row_of(b, h, &h->cfg->budgets[h->budgets[k]], now_ms);
    }
    return wanted;
}

/* ---- writing ---- */

static void add_row(struct redis_args *a, const struct hold_row *row)
{
    char alerts[8 * CONFIG_BUDGET_ALERTS_MAX] = "";
    size_t n = 0;

    for (size_t i = 0; i < row->budget->alert_count; i++)
        n += (size_t)snprintf(alerts + n, sizeof alerts - n, "%s%d", i ? "," : "",
                              row->budget->alert_percent[i]);
    redis_args_add(a, row->name, row->period.starts_ms, row->period.ends_ms,
                   row->budget->limit_nanousd, alerts);
}

static void add_hold(struct redis_args *a, const struct hold *h)
{
    redis_args_add(a, h->id, h->amount_nanousd, h->ttl_ms, h->note, (int64_t)h->count);
    for (size_t k = 0; k < h->count; k++)
        redis_arg_int(a, h->rows[k] + 1);
}

static void add_settled(struct redis_args *a, const struct hold *h)
{
    redis_arg_str(a, h->id);
    if (h->called)
        redis_arg_int(a, h->cost_nanousd);
    else
        redis_arg_str(a, "unmade");
    redis_arg_str(a, h->may_come ? "1" : "");
}

void hold_batch_write(struct hold_batch *b, const struct env *env, int64_t now_ms,
                      struct redis_args *a)
{
    const struct keys *k = &env->keys;
    size_t wanted = find_rows(b, now_ms);

    redis_args_init(a);
    redis_args_add(a, key(k, KEY_BUDGET), key(k, KEY_HOLDS), key(k, KEY_HOLDS_DUE),
                   key(k, KEY_ALERTS), key(k, KEY_ALERTED), key(k, KEY_WORKERS),
                   key_word(k->calls, env->id), BUDGET_REMEMBER_MS, BUDGET_KEEP_SUM_MS, env->id,
                   (int64_t)b->row_count);
    for (size_t i = 0; i < b->row_count; i++)
        add_row(a, &b->rows[i]);
    redis_arg_int(a, (int64_t)b->settled.count);
    for (size_t i = 0; i < b->settled.count; i++)
        add_settled(a, b->settled.items[i]);
    redis_arg_int(a, (int64_t)wanted);
    for (size_t i = 0; i < b->made.count; i++)
        if (b->made.items[i]->written)
            add_hold(a, b->made.items[i]);
}

/* To its owner, who keeps it only when the money is set aside. */
static void call_back(struct hold *h, const struct hold_answer *a)
{
    hold_cb *cb = h->cb;

    h->cb = NULL;
    if (!cb)
        return;
    if (a->word != HOLD_HELD)
        hold_unref(h);
    cb(h->arg, a);
}

/* What the script said to one hold. */
static void answer(struct hold_batch *b, struct hold *h, const struct reply *said, int64_t now_ms)
{
    struct hold_answer a = {.word = HOLD_HELD};
    size_t row = (size_t)reply_int(reply_at(said, 1));

    if (reply_type(said) == REPLY_ARRAY)
        a.word = (enum hold_word)reply_int(reply_at(said, 0));
    if (row >= 1 && row <= b->row_count) {
        const struct hold_row *refuses = &b->rows[row - 1];

        a.budget = refuses->budget;
        a.sum = refuses->name;
        a.spent_nanousd = reply_int(reply_at(said, 2));
        a.reserved_nanousd = reply_int(reply_at(said, 3));
        a.next_period_ms = refuses->period.ends_ms - now_ms;
    }
    call_back(h, &a);
}

void hold_batch_hear(struct hold_batch *b, const struct reply *reply)
{
    int64_t now_ms = reply_int(reply_at(reply, 1));
    const struct reply *answers = reply_at(reply, 2);
    size_t at = 0;

    for (size_t i = 0; i < b->made.count; i++) {
        struct hold *h = b->made.items[i];

        h->asked = false;
        if (h->written)
            answer(b, h, reply_at(answers, at++), now_ms);
    }
}

void hold_batch_refuse(struct hold_batch *b, int64_t again_ms)
{
    const struct hold_answer a = {.word = HOLD_UNKNOWN, .again_ms = again_ms};

    for (size_t i = 0; i < b->made.count; i++) {
        struct hold *h = b->made.items[i];

        h->asked = false;
        if (h->cb && b->tries > 1)
            hold_list_add(&b->settled, h);
        call_back(h, &a);
    }
    hold_list_clear(&b->made);
}
