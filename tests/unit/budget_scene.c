/* budget_scene.c - see budget_scene.h. */
#include "tests/unit/budget_scene.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/budget/budget.h"
#include "common/core/clock.h"

struct budget_how how;

const struct budget_known known[2] = {{"a d20261122", 100, "50,80,100"}, {"b d20261122", 60, ""}};

/* ---- one call of the script ---- */
static void on_said(void *arg, const struct reply *reply, const struct err *err)
{
    struct said *s = arg;
    const struct reply *answers = reply_at(reply, 2), *told = reply_at(reply, 3);
    struct span first = reply_span(reply_at(reply, 0));
    size_t n = 0;

    s->done = true;
    if (err) {
        snprintf(s->error, sizeof s->error, "%s", err->msg);
        return;
    }
    snprintf(s->first, sizeof s->first, "%.*s", (int)first.n, first.p);
    s->answers = reply_count(answers);
    for (size_t i = 0; i < s->answers && i < ARRAY_LEN(s->kind); i++) {
        const struct reply *a = reply_at(answers, i);

        s->kind[i] = reply_type(a) == REPLY_ARRAY ? reply_int(reply_at(a, 0)) : 0;
        s->sum[i] = reply_int(reply_at(a, 1));
        s->spent[i] = reply_int(reply_at(a, 2));
        s->reserved[i] = reply_int(reply_at(a, 3));
    }
    for (size_t i = 0; i < reply_count(told); i++) {
        struct span v = reply_span(reply_at(told, i));

        n += (size_t)snprintf(s->told + n, sizeof s->told - n, "%.*s%s", (int)v.n, v.p,
                              i % 4 == 3 ? ";" : " ");
    }
}

static void add_item(struct redis_args *a, const struct item *m)
{
    int count = !!(m->sums & A) + !!(m->sums & B);

    redis_arg_str(a, m->hold);
    redis_arg_int(a, m->amount);
    redis_arg_int(a, m->ttl_ms);
    redis_arg_str(a, "{\"a\":\"note\"}");
    redis_arg_int(a, count);
    if (m->sums & A)
        redis_arg_int(a, 1);
    if (m->sums & B)
        redis_arg_int(a, 2);
}

static void add_sums(struct redis_args *a)
{
    int64_t starts_ms = clock_wall_ms() + how.starts_in_ms;

    redis_arg_int(a, how.no_sums ? 0 : ARRAY_LEN(known));
    for (size_t i = 0; i < ARRAY_LEN(known) && !how.no_sums; i++) {
        redis_arg_str(a, known[i].name);
        redis_arg_int(a, starts_ms);
        redis_arg_int(a, starts_ms + HOUR_MS);
        redis_arg_int(a, i == 0 && how.raised ? how.raised : known[i].limit);
        redis_arg_str(a, known[i].alerts);
    }
}

struct said tell_budget(const struct item *settled, size_t settled_n, const struct item *made,
                        size_t made_n)
{
    struct said s = {0};
    struct redis_args a;

    redis_args_init(&a);
    redis_arg_str(&a, key(scene_keys(), KEY_BUDGET));
    redis_arg_str(&a, key(scene_keys(), KEY_HOLDS));
    redis_arg_str(&a, key(scene_keys(), KEY_HOLDS_DUE));
    redis_arg_str(&a, key(scene_keys(), KEY_ALERTS));
    redis_arg_str(&a, key(scene_keys(), KEY_ALERTED));
    redis_arg_str(&a, key(scene_keys(), KEY_WORKERS));
    keys_arg(&a, scene_keys()->calls, W);
    redis_arg_int(&a, how.remember_ms);
    redis_arg_int(&a, how.keep_ms);
    redis_arg_str(&a, W);
    add_sums(&a);
    redis_arg_int(&a, (int64_t)settled_n);
    for (size_t i = 0; i < settled_n; i++) {
        redis_arg_str(&a, settled[i].hold);
        if (settled[i].amount == UNMADE)
            redis_arg_str(&a, "unmade");
        else
            redis_arg_int(&a, settled[i].amount);
        redis_arg_str(&a, how.may_come ? "1" : "");
    }
    redis_arg_int(&a, (int64_t)made_n);
    for (size_t i = 0; i < made_n; i++)
        add_item(&a, &made[i]);
    redis_script(scene_redis(), script(SCRIPT_BUDGET), 7, &a, on_said, &s);
    scene_turn_until(&s.done);
    ck_assert_str_eq(s.error, "");
    return s;
}

void budget_scene_open(void)
{
    scene_open();
    how.starts_in_ms = -HOUR_MS / 2;
    how.remember_ms = how.keep_ms = HOUR_MS;
    how.no_sums = how.may_come = false;
    how.raised = 0;
}

struct said hold(const char *name, int64_t amount, unsigned sums, int64_t ttl_ms)
{
    const struct item m = {name, amount, sums, ttl_ms};
    struct said s = tell_budget(NULL, 0, &m, 1);

    ck_assert_str_eq(s.first, "ok");
    ck_assert_uint_eq(s.answers, 1);
    return s;
}

struct said settle_hold(const char *name, int64_t cost)
{
    const struct item m = {.hold = name, .amount = cost};
    struct said s = tell_budget(&m, 1, NULL, 0);

    ck_assert_str_eq(s.first, "ok");
    return s;
}

struct said look(void) { return tell_budget(NULL, 0, NULL, 0); }

/* ---- what is kept ---- */
struct text {
    bool done;
    char p[200];
};

static void on_text(void *arg, const struct reply *reply, const struct err *err)
{
    struct text *t = arg;
    struct span v = reply_span(reply);

    ck_assert_ptr_null(err);
    snprintf(t->p, sizeof t->p, "%.*s", (int)v.n, v.n ? v.p : "");
    t->done = true;
}

static struct budget_sum sum_of(int i)
{
    struct text t = {0};
    struct budget_sum sum = {0};

    redis_sendv(scene_redis(), on_text, &t, "HGET", key(scene_keys(), KEY_BUDGET), known[i].name,
                NULL);
    scene_turn_until(&t.done);
    if (t.p[0])
        ck_assert_msg(budget_sum_read((struct span){t.p, strlen(t.p)}, &sum), "%s", t.p);
    return sum;
}

void check_sum(int i, int64_t spent, int64_t reserved)
{
    struct budget_sum s = sum_of(i);

    ck_assert_msg(s.spent_nanousd == spent && s.reserved_nanousd == reserved,
                  "%s: spent %" PRId64 ", reserved %" PRId64, known[i].name, s.spent_nanousd,
                  s.reserved_nanousd);
}
