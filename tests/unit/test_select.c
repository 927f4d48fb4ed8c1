/* Which routes a job may take, in which order: tables over a configuration of six models. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/config_parts.h"
#include "common/route/select.h"

#define SPAN(s) ((struct span){s, (s) ? strlen(s) : 0})

/* Only what stands here serves task code. */
static const char text[] =
    "providers:\n  others:\n"
    "    - {name: l, base_url: 'http://[::1]:1/v1'}\n    - {name: k, base_url: "
    "'http://[::1]:2/v1'}\n"
    "models:\n"
    "- {id: cheap, tasks: [rerank], input_usd: 0.1, output_usd: 0.1, quality: 0.4, p50_ms: 1000}\n"
    "- {id: cheap, provider: l, input_usd: 0.2, output_usd: 0.2}\n"
    "- {id: quick, tasks: [rerank], input_usd: 1, output_usd: 1, quality: 0.6, p50_ms: 100,\n"
    "   features: [tools], replacement: cheap, fallbacks: [good, named]}\n"
    "- {id: good, tasks: [rerank], input_usd: 2, output_usd: 2, quality: 1, p50_ms: 2000,\n"
    "   context: 1000, features: [tools, vision, json_schema], default_for: [rerank]}\n"
    "- {id: same, tasks: [rerank], input_usd: 2, output_usd: 2, quality: 1, p50_ms: 2000,\n"
    "   provider: k, context: 500}\n"
    "- {id: same, provider: l, replacement: cheap}\n"
    "- {id: named, tasks: [rerank], input_usd: 0, output_usd: 0, quality: 1, routed: no}\n"
    "- {id: never, tasks: [rerank], input_usd: 0, output_usd: 0, allowed: no, replacement: good}\n"
    "- {id: mixedbread-ai/Mxbai-Rerank-Large-V2, routed: no}\n"
    "routing:\n  fallbacks:\n  - {task: rerank, models: [cheap]}\n";

static struct config *cfg;
static struct routes *table;

/* What each route's health is said to be: "model@provider=state,p50 ..." */
static const char *health;

static struct route_health health_of(void *arg, const struct route *r)
{
    static const struct {
        const char *name;
        enum route_state state;
    } states[] = {
        {"probe", ROUTE_PROBE}, {"slow", ROUTE_SLOW}, {"open", ROUTE_OPEN}, {"gone", ROUTE_GONE}};
    struct route_health h = {ROUTE_FINE, 0};
    char key[128];
    const char *at;

    (void)arg;
    snprintf(key, sizeof key, "%s@%s=", r->model.id, r->model.provider);
    at = health ? strstr(health, key) : NULL;
    for (size_t i = 0; at && i < ARRAY_LEN(states); i++)
        if (!strncmp(at + strlen(key), states[i].name, strlen(states[i].name)))
            h.state = states[i].state;
    at = at ? strchr(at, ',') : NULL;
    if (at)
        h.p50_ms = strtol(at + 1, NULL, 10);
    return h;
}

static const struct route_view view = {health_of, NULL};

static void make(void)
{
    static const char *const no_env[] = {NULL};
    struct err err = {0};

    cfg = config_build("f.yaml", text, strlen(text), no_env, &err);
    ck_assert_msg(cfg, "%s", err.msg);
    table = routes_new(cfg);
    health = NULL;
}

static void unmake(void)
{
    routes_free(table);
    config_free(cfg);
}

/* The list as "model@provider model ...", without the provider `together`. */
static const char *list_text(const struct route_list *l)
{
    static char said[512];
    size_t n = 0;

    said[0] = 0;
    for (size_t i = 0; i < l->count; i++) {
        const struct route *r = l->of[i].route;
        bool other = r && strcmp(r->model.provider, "together") != 0;

        n += (size_t)snprintf(said + n, sizeof said - n, "%s%.*s%s%s", i ? " " : "",
                              (int)l->of[i].name.n, l->of[i].name.p, other ? "@" : "",
                              other ? r->model.provider : "");
    }
    return said;
}

static const char *choose(const struct route_needs *needs, bool unnamed_auto)
{
    static struct route_list l;
    struct route_list again;
    struct route_rules rules;

    route_rules_from(&rules, cfg);
    rules.default_first = !unnamed_auto;
    rules.candidates = ROUTE_LIST_MAX;
    route_select(table, &rules, needs, &view, &l);
    route_select(table, &rules, needs, &view, &again);
    ck_assert_uint_eq(again.count, l.count);
    for (size_t i = 0; i < l.count; i++)
        ck_assert_ptr_eq(again.of[i].route, l.of[i].route);
    return list_text(&l);
}

/* clang-format off */
static const struct {
    const char *model; /* NULL: none */
    enum job_priority priority;
    unsigned features;
    int64_t tokens;
    const char *fallbacks; /* one; "" none; NULL: not given */
    const char *health, *list;
} rows[] = {
    /* the priority's weights */
    {"auto", JOB_REALTIME, 0, 0, NULL, NULL, "quick good same@k same@l cheap cheap@l"},
    {"auto", JOB_STANDARD, 0, 0, NULL, NULL, "quick cheap good same@k same@l cheap@l"},
    {"auto", JOB_PRIORITY_BATCH, 0, 0, NULL, NULL, "cheap cheap@l quick good same@k same@l"},
    /* a job that names none: the default of its task, then the same */
    {NULL, JOB_STANDARD, 0, 0, NULL, NULL, "good quick cheap same@k same@l cheap@l"},
    {NULL, JOB_STANDARD, 0, 0, NULL, "good@together=open", "quick cheap same@k same@l cheap@l good"},
    /* what the body asks for */
    {"auto", JOB_STANDARD, FEATURE_TOOLS, 0, NULL, NULL, "quick good"},
    {"auto", JOB_STANDARD, FEATURE_TOOLS | FEATURE_VISION, 0, NULL, NULL, "good"},
    {"auto", JOB_STANDARD, 0, 700, NULL, NULL, "quick cheap good cheap@l"},
    {"auto", JOB_STANDARD, FEATURE_VISION, 5000, NULL, NULL, "good"}, /* the most there is */
    {NULL, JOB_STANDARD, FEATURE_VISION, 5000, NULL, NULL, "good"},
    /* health */
    {"auto", JOB_REALTIME, 0, 0, NULL, "quick@together=slow", "good same@k same@l cheap cheap@l quick"},
    {"auto", JOB_REALTIME, 0, 0, NULL, "quick@together=slow good@together=open", "same@k same@l cheap cheap@l quick good"},
    {"auto", JOB_REALTIME, 0, 0, NULL, "quick@together=gone", "cheap cheap@l good same@k same@l"},
    {"auto", JOB_REALTIME, 0, 0, NULL, "quick@together=probe,110", "quick good same@k same@l cheap cheap@l"},
    {"auto", JOB_REALTIME, 0, 0, NULL, "quick@together=fine,90000", "cheap cheap@l good same@k same@l quick"},
    {"auto", JOB_REALTIME, 0, 0, NULL, "same@l=fine,1500", "quick same@l good same@k cheap cheap@l"},
    /* a name is obeyed: its providers, then fallbacks and nothing else */
    {"good", JOB_STANDARD, 0, 0, "", NULL, "good"},
    {"good", JOB_STANDARD, FEATURE_TOOLS, 99999, "", NULL, "good"},
    {"good", JOB_STANDARD, 0, 0, NULL, NULL, "good cheap cheap@l"},
    {"quick", JOB_STANDARD, 0, 0, NULL, NULL, "quick good named"},
    {"quick", JOB_STANDARD, 0, 0, "same", NULL, "quick same@k same@l"},
    {"quick", JOB_STANDARD, 0, 0, "quick", NULL, "quick"},
    {"same", JOB_STANDARD, 0, 0, "", "same@k=slow", "same@l same@k"},
    {"same", JOB_STANDARD, 0, 0, "", "same@l=open", "same@k same@l"},
    {"named", JOB_STANDARD, 0, 0, "", NULL, "named"},
    {"me/unknown", JOB_STANDARD, 0, 0, "", NULL, "me/unknown"},
    {"me/unknown", JOB_STANDARD, 0, 0, "he/unknown", NULL, "me/unknown he/unknown"},
    /* gone, or not allowed */
    {"quick", JOB_STANDARD, 0, 0, "", "quick@together=gone", "cheap cheap@l"},
    {"quick", JOB_STANDARD, 0, 0, "same", "quick@together=gone cheap@together=gone", "cheap@l same@k same@l"},
    {"same", JOB_STANDARD, 0, 0, "", "same@k=gone", "same@l"},
    {"same", JOB_STANDARD, 0, 0, "", "same@k=gone same@l=gone", "same@k"},
    {"never", JOB_STANDARD, 0, 0, "", NULL, "good"},
    {"never", JOB_STANDARD, 0, 0, "", "good@together=gone", ""},
    /* the job's own fallbacks stand behind what was chosen */
    {"auto", JOB_STANDARD, FEATURE_VISION, 0, "named", NULL, "good named"},
    {"auto", JOB_STANDARD, FEATURE_VISION, 0, "good", NULL, "good"},
};
/* clang-format on */

START_TEST(orders_the_routes_of_a_job)
{
    const char *fallbacks = rows[_i].fallbacks;
    bool automatic = rows[_i].model && !strcmp(rows[_i].model, "auto");
    struct route_needs needs = {.task = TASK_RERANK,
                                .priority = rows[_i].priority,
                                .automatic = automatic,
                                .features = rows[_i].features,
                                .tokens = rows[_i].tokens,
                                .has_fallbacks = fallbacks,
                                .fallback_count = fallbacks && *fallbacks};

    if (rows[_i].model && !automatic)
        needs.model = SPAN(rows[_i].model);
    needs.fallbacks[0] = SPAN(fallbacks);
    health = rows[_i].health;
    ck_assert_str_eq(choose(&needs, false), rows[_i].list);
}
END_TEST

START_TEST(unnamed_is_auto_when_the_configuration_says_so)
{
    struct route_needs needs = {.task = TASK_RERANK};

    ck_assert_str_eq(choose(&needs, false), "good quick cheap same@k same@l cheap@l");
    ck_assert_str_eq(choose(&needs, true), "quick cheap good same@k same@l cheap@l");
}
END_TEST

START_TEST(what_is_gone_is_called_when_nothing_else_is_left)
{
    static const char only[] = "intfloat/multilingual-e5-large-instruct";
    struct route_needs needs = {.task = TASK_EMBEDDING, .automatic = _i};

    ck_assert_str_eq(choose(&needs, false), only);
    health = "intfloat/multilingual-e5-large-instruct@together=gone";
    ck_assert_str_eq(choose(&needs, false), only);
    needs.features =
        FEATURE_VISION; /* it never had that: only the default is called all the same */
    ck_assert_str_eq(choose(&needs, false), _i ? "" : only);
}
END_TEST

START_TEST(a_free_choice_has_at_most_as_many_routes_as_are_configured)
{
    struct route_needs needs = {.task = TASK_RERANK,
                                .automatic = true,
                                .has_fallbacks = true,
                                .fallback_count = 1,
                                .fallbacks = {SPAN("named")}};
    struct route_rules rules;
    struct route_list l;

    route_rules_from(&rules, cfg);
    rules.candidates = 2;
    route_select(table, &rules, &needs, &view, &l);
    ck_assert_str_eq(list_text(&l), "quick cheap named");
}
END_TEST

START_TEST(what_is_gone_is_replaced_in_its_place)
{
    struct route_needs needs = {.task = TASK_RERANK,
                                .model = SPAN("quick"),
                                .has_fallbacks = true,
                                .fallback_count = 1,
                                .fallbacks = {SPAN("same")}};
    struct route_rules rules;
    struct route_list l;

    route_rules_from(&rules, cfg);
    route_select(table, &rules, &needs, &view, &l);
    ck_assert_str_eq(list_text(&l), "quick same@k same@l");
    ck_assert(route_list_replace(table, &l, 0, &view));
    ck_assert_str_eq(list_text(&l), "quick cheap cheap@l same@k same@l");
    ck_assert(!route_list_replace(table, &l, 0, &view));
    ck_assert(!route_list_replace(table, &l, 3, &view));
    needs.model = SPAN("same");
    needs.fallback_count = 0;
    route_select(table, &rules, &needs, &view, &l);
    ck_assert(!route_list_replace(table, &l, 1, &view)); /* k has it still */
    ck_assert_str_eq(list_text(&l), "same@k same@l");
    health = "same@k=gone";
    ck_assert(route_list_replace(table, &l, 1, &view)); /* nobody has it any more */
    ck_assert_str_eq(list_text(&l), "same@k same@l cheap cheap@l");
}
END_TEST

START_TEST(scores_are_the_weighted_mean_of_the_ratings)
{
    struct route_needs needs = {.task = TASK_RERANK, .automatic = true};
    struct route_rules rules;
    struct candidate all[64];
    size_t n;

    route_rules_from(&rules, cfg);
    n = route_explain(table, &rules, &needs, &view, all, ARRAY_LEN(all));
    ck_assert_uint_eq(n, table->count);
    /* quick: 0.1 of its price, the quickest, 0.6 */
    ck_assert_str_eq(all[0].route->model.id, "quick");
    ck_assert_double_eq_tol(all[0].price, 0.1, 1e-6);
    ck_assert_double_eq_tol(all[0].latency, 1, 1e-6);
    ck_assert_double_eq_tol(all[0].quality, 0.6, 1e-6);
    ck_assert_double_eq_tol(all[0].score, 0.34 * 0.1 + 0.33 * 1 + 0.33 * 0.6, 1e-6);
    for (size_t i = 0; i < n; i++) {
        ck_assert(i < 6 ? all[i].why == ROUTE_IN : all[i].why != ROUTE_IN);
        if (!strcmp(all[i].route->model.id, "never"))
            ck_assert_int_eq(all[i].why, ROUTE_NOT_ALLOWED);
        if (!strcmp(all[i].route->model.id, "named"))
            ck_assert_int_eq(all[i].why, ROUTE_NOT_ROUTED);
    }
}
END_TEST

Suite *test_select(void);
Suite *test_select(void)
{
    Suite *s = suite_create("test_select");
    TCase *tc = tcase_create("select");

    tcase_add_checked_fixture(tc, make, unmake);
    tcase_add_loop_test(tc, orders_the_routes_of_a_job, 0, (int)ARRAY_LEN(rows));
    tcase_add_test(tc, unnamed_is_auto_when_the_configuration_says_so);
    tcase_add_loop_test(tc, what_is_gone_is_called_when_nothing_else_is_left, 0, 2);
    tcase_add_test(tc, a_free_choice_has_at_most_as_many_routes_as_are_configured);
    tcase_add_test(tc, what_is_gone_is_replaced_in_its_place);
    tcase_add_test(tc, scores_are_the_weighted_mean_of_the_ratings);
    suite_add_tcase(s, tc);
    return s;
}
