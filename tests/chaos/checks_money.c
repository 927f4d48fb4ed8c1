/* checks_money.c - the books against the provider's bill.
 *
 * By model, not in all: estimates are worst cases, and what they are too high
 * of one model must not hide what is missing of another. */
#include <stdlib.h>
#include <string.h>

#include "tests/chaos/chaos.h"

enum { HOLDS_MS = 10000 };

static bool has_flag(json_t *cost, const char *name)
{
    json_t *flag;
    size_t i;

    json_array_foreach (json_object_get(cost, "flags"), i, flag) {
        if (strcmp(json_string_value(flag), name) == 0)
            return true;
    }
    return false;
}

void check_calls(struct round *r, struct books *b)
{
    json_t *seen = json_object(), *cost;
    size_t i;

    json_array_foreach (b->costs, i, cost) {
        const char *event = world_string_at(cost, "event_id");

        if (json_object_get(seen, event))
            violation(r, world_string_at(cost, "job_id"), "the cost event %s is there twice",
                      event);
        json_object_set_new(seen, event, json_true());
    }
    json_decref(seen);
}

/* ---- the bill --------------------------------------------------------------- */
static void add(json_t *sums, const char *model, int64_t n)
{
    json_object_set_new(sums, model,
                        json_integer(json_integer_value(json_object_get(sums, model)) + n));
}

static void check_model(struct round *r, const char *model, int64_t confirmed, int64_t estimated,
                        int64_t billed)
{
    if (confirmed > billed && !r->rolled_back)
        violation(r, NULL, "%s: confirmed %lld nano-USD, but only %lld were billed", model,
                  (long long)confirmed, (long long)billed);
    if (billed > confirmed + estimated + r->forgotten_nanousd)
        violation(r, NULL,
                  "%s: billed %lld nano-USD, but confirmed %lld and estimated %lld (forgotten "
                  "%lld)",
                  model, (long long)billed, (long long)confirmed, (long long)estimated,
                  (long long)r->forgotten_nanousd);
}

void check_money(struct round *r, struct books *b)
{
    json_t *confirmed = json_object(), *estimated = json_object(), *cost, *sum;
    const char *model;
    size_t i;

    json_object_foreach (b->bill, model, sum) {
        add(confirmed, model, 0);
    }
    json_array_foreach (b->costs, i, cost) {
        model = world_string_at(cost, "model");
        add(confirmed, model,
            has_flag(cost, "unconfirmed") ? 0 : world_int_at(cost, "cost_nanousd"));
        add(estimated, model, world_int_at(cost, "estimate_nanousd"));
    }
    json_object_foreach (confirmed, model, sum) {
        check_model(r, model, json_integer_value(sum),
                    json_integer_value(json_object_get(estimated, model)),
                    json_integer_value(json_object_get(b->bill, model)));
    }
    json_decref(confirmed);
    json_decref(estimated);
}

/* ---- the sums of the days --------------------------------------------------- */
static int64_t spent(struct round *r, const char *what)
{
    redisReply *days = world_redis(r->w, "KEYS fl:{0}:spend:*");
    int64_t sum = 0;

    for (size_t i = 0; i < days->elements; i++) {
        const char *v = world_string(r->w, "HGET %s total|%s", days->element[i]->str, what);

        sum += v ? strtoll(v, NULL, 10) : 0;
    }
    return sum;
}

void check_spend(struct round *r, struct books *b)
{
    int64_t cost = 0, calls = 0, hits = 0, estimates = 0;
    json_t *one;
    size_t i;

    json_array_foreach (b->costs, i, one) {
        bool hit = has_flag(one, "cached");

        hits += hit;
        calls += !hit;
        cost += hit ? 0 : world_int_at(one, "cost_nanousd");
        estimates += hit ? 0 : world_int_at(one, "estimate_nanousd");
    }
    if (spent(r, "cost") != cost || spent(r, "calls") != calls || spent(r, "hits") != hits ||
        spent(r, "estimate") != estimates)
        violation(r, NULL,
                  "spend says %lld nano-USD, %lld calls, %lld hits, %lld estimated; the events "
                  "%lld, %lld, %lld, %lld",
                  (long long)spent(r, "cost"), (long long)spent(r, "calls"),
                  (long long)spent(r, "hits"), (long long)spent(r, "estimate"), (long long)cost,
                  (long long)calls, (long long)hits, (long long)estimates);
}

/* ---- money that is set aside ------------------------------------------------ */
static int64_t open_holds(struct round *r)
{
    redisReply *all = world_redis(r->w, "HGETALL fl:{0}:holds");
    int64_t n = 0;

    for (size_t i = 0; i + 1 < all->elements; i += 2)
        n += all->element[i + 1]->str[0] == 'o';
    return n;
}

/* "spent reserved told ends limit alerts" */
static int64_t reserved(struct round *r)
{
    redisReply *all = world_redis(r->w, "HVALS fl:{0}:budget");
    int64_t sum = 0;

    for (size_t i = 0; i < all->elements; i++) {
        char *at = NULL;

        strtoll(all->element[i]->str, &at, 10);
        sum += strtoll(at, NULL, 10);
    }
    return sum;
}

/* Their names first: a reply is kept for some commands only. */
static void print_open_holds(struct round *r)
{
    redisReply *all = world_redis(r->w, "HGETALL fl:{0}:holds");
    size_t count = all->elements / 2, open = 0;
    const char **names = calloc(count + 1, sizeof *names);

    for (size_t i = 0; i < count; i++)
        if (all->element[2 * i + 1]->str[0] == 'o')
            names[open++] = world_text(r->w, "%s", all->element[2 * i]->str);
    for (size_t i = 0; i < open; i++)
        violation(r, world_text(r->w, "%.*s", (int)strcspn(names[i], ":"), names[i]),
                  "the hold %s is open", names[i]);
    free(names);
}

/* Holds are settled a moment after their calls. */
void check_holds(struct round *r, struct books *b)
{
    int64_t until = now_ms() + patience_ms(HOLDS_MS);

    (void)b;
    while ((open_holds(r) || reserved(r)) && now_ms() < until)
        pause_ms(20);
    if (reserved(r))
        violation(r, NULL, "%lld nano-USD are set aside, by %lld holds", (long long)reserved(r),
                  (long long)open_holds(r));
    print_open_holds(r);
}
