/* test_config.c - what loads: defaults, files, lists, and the environment over them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/config_scene.h"

/* ---- what loads ---- */

START_TEST(defaults_alone_are_a_configuration)
{
    struct config *c = config_good(NULL);
    int64_t ms[32];

    ck_assert_str_eq(c->redis_url, "redis://127.0.0.1:6379");
    ck_assert_int_eq(c->workers_concurrency, 256);
    ck_assert(!c->providers_allow_http);
    ck_assert_int_eq(c->log_level, 2);
    ck_assert_str_eq(c->TOP_data_dir, "/var/lib/flotilla");
    ck_assert_ptr_null(c->path);
    ck_assert_uint_eq(c->provider_count, 1);
    ck_assert_ptr_null(config_provider(c, "together")->api_key);
    ck_assert(!config_provider(c, "together")->loopback);
    ck_assert_uint_eq(config_webhook_schedule(c, ms, ARRAY_LEN(ms)), 10);
    ck_assert_int_eq(ms[1], 5000);
    ck_assert_int_eq(ms[9], 86400000);
    ck_assert_uint_eq(config_webhook_schedule(c, ms, 3), 3);
    config_free(c);
    config_free(NULL);
}
END_TEST

START_TEST(without_groups_one_serves_all_queues)
{
    struct config *c = config_good("workers: {processes: 3, concurrency: 9}");
    const struct config_group *g = config_group(c, "default");

    ck_assert_uint_eq(c->group_count, 1);
    ck_assert_ptr_nonnull(g);
    ck_assert_int_eq(g->processes, 3);
    ck_assert_int_eq(g->concurrency, 9);
    ck_assert_uint_eq(g->queue_count, 8);
    ck_assert_str_eq(g->queues[0].name, "inference.realtime");
    ck_assert_int_eq(g->queues[0].weight, 16);
    ck_assert_str_eq(g->queues[7].name, "noop");
    ck_assert_int_eq(g->queues[7].weight, 4);
    ck_assert_ptr_null(config_group(c, "other"));
    config_free(c);
}
END_TEST

START_TEST(a_file_sets_scalars_of_every_type)
{
    struct config *c =
        config_good("redis:\n  url: unix:///run/redis.sock\n"
                    "providers: {allow_http: yes, together_base_url: 'http://x.lan/v1//'}\n"
                    "retry:\n"
                    "log: {level: debug, format: json}\n"
                    "webhooks:\n  allow_networks: [10.0.0.0/8, 'fd00::/8']\n"
                    "  schedule_ms: [0, 10]\n"
                    "data_dir: /srv\n");
    int64_t ms[32];

    ck_assert_str_eq(c->redis_url, "unix:///run/redis.sock");
    ck_assert(c->providers_allow_http);
    ck_assert_str_eq(config_provider(c, "together")->base_url, "http://x.lan/v1");
    ck_assert_int_eq(c->log_level, 3);
    ck_assert_int_eq(c->log_format, 1);
    ck_assert_str_eq(c->webhooks_allow_networks, "10.0.0.0/8,fd00::/8");
    ck_assert_uint_eq(config_webhook_schedule(c, ms, 32), 2);
    ck_assert_str_eq(c->TOP_data_dir, "/srv");
    ck_assert_str_eq(c->path, "f.yaml");
    config_free(c);
}
END_TEST

START_TEST(groups_are_read_with_weights_or_names)
{
    struct config *c = config_good("workers:\n  groups:\n"
                                   "    - name: people\n      processes: 4\n      concurrency: 32\n"
                                   "      queues: {inference.realtime: 7, webhook: , eval: 1000}\n"
                                   "    - {name: rest, queues: [noop, batch]}\n");
    const struct config_group *g = config_group(c, "people");

    ck_assert_uint_eq(c->group_count, 2);
    ck_assert_int_eq(g->processes, 4);
    ck_assert_int_eq(g->concurrency, 32);
    ck_assert_uint_eq(g->queue_count, 3);
    ck_assert_int_eq(g->queues[0].weight, 7);
    ck_assert_int_eq(g->queues[1].weight, 4);
    ck_assert_int_eq(g->queues[2].weight, 1000);
    g = config_group(c, "rest");
    ck_assert_int_eq(g->processes, 2);
    ck_assert_int_eq(g->concurrency, 256);
    ck_assert_str_eq(g->queues[1].name, "batch");
    ck_assert_int_eq(g->queues[1].weight, 2);
    config_free(c);
}
END_TEST

START_TEST(models_override_fields_and_add_rows)
{
    struct config *c =
        config_good("providers:\n  others:\n    - {name: l, base_url: 'http://[::1]:1/v1/'}\n"
                    "models:\n"
                    "  - {id: openai/gpt-oss-20b, input_usd: 0.123456789, default_for: [chat]}\n"
                    "  - {id: me/m, provider: l, tasks: [chat, code], output_usd: '2e-7',\n"
                    "     context: 5, batch_discount_percent: 40, default_for: [code]}\n"
                    "  - {id: me/e, tasks: [embedding], input_usd: 0}\n"
                    "  - {id: me/i, tasks: [image], image_usd: 0.04, image_unit: piece}\n");
    const struct model *m = model_find(&c->models, "openai/gpt-oss-20b", 18);

    ck_assert_int_eq(m->in_nanousd, 123456789);
    ck_assert_int_eq(m->out_nanousd, 200000000);
    ck_assert_ptr_eq(model_default(&c->models, TASK_CHAT), m);
    ck_assert_ptr_eq(model_default(&c->models, TASK_CODE), model_find(&c->models, "me/m", 4));
    ck_assert_str_eq(model_default(&c->models, TASK_COMPLETION)->id, "Qwen/Qwen3.5-9B");
    m = model_find(&c->models, "me/m", 4);
    ck_assert_str_eq(m->provider, "l");
    ck_assert_uint_eq(m->tasks, TASK_CHAT | TASK_CODE);
    ck_assert_int_eq(m->in_nanousd, -1);
    ck_assert_int_eq(m->out_nanousd, 200);
    ck_assert_int_eq(m->context, 5);
    ck_assert_int_eq(m->batch_percent, 60);
    m = model_find(&c->models, "me/e", 4);
    ck_assert(m->in_nanousd == 0 && m->out_nanousd == 0 && m->cached_nanousd == -1);
    m = model_find(&c->models, "me/i", 4);
    ck_assert(m->image_nanousd == 40000000 && m->image_unit == IMAGE_PIECE && m->in_nanousd == 0);
    ck_assert_str_eq(config_provider(c, "l")->base_url, "http://[::1]:1/v1");
    ck_assert(config_provider(c, "l")->loopback);
    config_free(c);
}
END_TEST

START_TEST(rows_of_one_id_are_the_same_model_at_several_providers)
{
    struct config *c =
        config_good("providers:\n  others:\n    - {name: l, base_url: 'http://[::1]:1/v1/'}\n"
                    "    - {name: k, base_url: 'http://[::1]:2/v1/'}\n"
                    "models:\n"
                    "  - {id: Qwen/Qwen3.5-9B, provider: l, quality: 0.7, features: [tools]}\n"
                    "  - {id: Qwen/Qwen3.5-9B, output_usd: 1, p50_ms: 90, replacement: me/m}\n"
                    "  - {id: me/m, provider: k, tasks: [chat], allowed: no, max_concurrency: 3}\n"
                    "  - {id: me/m, provider: l, allowed: yes, routed: no, fallbacks: [me/m]}\n"
                    "routing:\n  fallbacks:\n    - {task: code, models: [me/m]}\n");
    const struct model *m = model_find(&c->models, "Qwen/Qwen3.5-9B", 15);

    ck_assert_str_eq(m->provider, "l");
    ck_assert_int_eq(m->quality_permille, 700);
    ck_assert_uint_eq(m->features, FEATURE_TOOLS);
    ck_assert_uint_eq(m->default_for, TASK_CHAT | TASK_COMPLETION);
    ck_assert_int_eq(m->out_nanousd, 250000000);
    m = model_find_at(&c->models, "together", "Qwen/Qwen3.5-9B", 15);
    ck_assert_int_eq(m->in_nanousd, 170000000);
    ck_assert_int_eq(m->out_nanousd, 1000000000);
    ck_assert_int_eq(m->p50_ms, 90);
    ck_assert_int_eq(m->quality_permille, 700);
    ck_assert_str_eq(m->replacement, "me/m");
    ck_assert_uint_eq(m->default_for, 0);
    m = model_find(&c->models, "me/m", 4);
    ck_assert(!m->allowed && m->routed && m->max_concurrency == 3 && m->quality_permille == 500);
    m = model_find_at(&c->models, "l", "me/m", 4);
    ck_assert(m->allowed && !m->routed && m->max_concurrency == 3);
    ck_assert_str_eq(m->fallbacks.of[0], "me/m");
    ck_assert_ptr_null(model_find_at(&c->models, "together", "me/m", 4));
    ck_assert_str_eq(c->fallbacks[task_index(TASK_CODE)].of[0], "me/m");
    ck_assert_uint_eq(c->fallbacks[task_index(TASK_CHAT)].count, 0);
    config_free(c);
}
END_TEST

static const struct {
    const char *url;
    bool loopback;
} urls[] = {
    {"http://127.0.0.1:9/v1", true},  {"http://127.255.3.4/v1", true},
    {"http://[::1]:80/v1", true},     {"https://localhost/v1", true},
    {"HTTP://LOCALHOST/v1", true},    {"https://127.0.0.1.evil.com/v1", false},
    {"https://localhost.lan", false}, {"https://128.0.0.1/v1", false},
    {"https://[::2]/v1", false},      {"https://10.1.2.3:65535/a/b", false},
};

START_TEST(loopback_is_told_from_the_host_alone)
{
    struct err err = {0};
    char env[128];
    const char *vars[] = {env, NULL};
    struct config *c;

    snprintf(env, sizeof(env), "TOGETHER_BASE_URL=%s", urls[_i].url);
    c = config_of(NULL, vars, &err);
    ck_assert_msg(c, "%s", err.msg);
    ck_assert_msg(c->providers[0].loopback == urls[_i].loopback, "%s", urls[_i].url);
    config_free(c);
}
END_TEST

/* ---- environment ---- */

START_TEST(the_environment_wins_over_the_file)
{
    const char *env[] = {"PATH=/bin",
                         "FLOTILLA_CONFIG=/x",
                         "FLOTILLA_TEST_ANY=1",
                         "FLOTILLA_DATA=/d",
                         "FLOTILLA_COLLECT=1",
                         "FLOTILLA_DATA_DIR=/env",
                         "TOGETHER_API_KEY=k1",
                         "TOGETHER_FINETUNE_API_KEY=",
                         "REDIS_URL_FILE=",
                         "LOCAL=k2",
                         "FLOTILLA_LOG_LEVEL=warn",
                         "odd",
                         NULL};
    struct err err = {0};
    struct config *c =
        config_of("data_dir: /file\nredis: {url: 'redis://file'}\nproviders:\n  others:\n"
                  "  - {name: l, base_url: 'https://l/v1', api_key_env: LOCAL}\n"
                  "  - {name: m, base_url: 'https://m/v1', api_key_env: NOT_SET, ca_file: /m.pem}\n"
                  "  - {name: n, base_url: 'https://n/v1', api_key: k3}\n",
                  env, &err);

    ck_assert_msg(c, "%s", err.msg);
    ck_assert_str_eq(c->TOP_data_dir, "/env");
    ck_assert_str_eq(c->redis_url, "redis://file");
    ck_assert_int_eq(c->log_level, 1);
    ck_assert_str_eq(config_provider(c, "together")->api_key, "k1");
    ck_assert_ptr_null(config_provider(c, "together")->ca_file);
    ck_assert_str_eq(config_provider(c, "m")->ca_file, "/m.pem");
    ck_assert_ptr_null(config_provider(c, "together")->finetune_api_key);
    ck_assert_str_eq(config_provider(c, "l")->api_key, "k2");
    ck_assert_ptr_null(config_provider(c, "m")->api_key);
    ck_assert_str_eq(config_provider(c, "n")->api_key, "k3");
    config_free(c);
}
END_TEST

/* A file in /tmp with that content; the caller unlinks and frees. */
static char *temp_file(const char *text)
{
    char *path = strdup("/tmp/flotilla-test-XXXXXX");
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return path;
}

START_TEST(a_secret_is_read_from_its_file_without_the_newline)
{
    static const char *const names[] = {"TOGETHER_API_KEY_FILE",
                                        "FLOTILLA_PROVIDERS_TOGETHER_API_KEY_FILE"};
    static const char *const contents[] = {"sk-1", "sk-1\n", "sk-1\r\n"};

    for (size_t i = 0; i < ARRAY_LEN(names) * ARRAY_LEN(contents); i++) {
        char *path = temp_file(contents[i % ARRAY_LEN(contents)]);
        char var[128];
        const char *env[] = {var, NULL};
        struct err err = {0};
        struct config *c;

        snprintf(var, sizeof(var), "%s=%s", names[i / ARRAY_LEN(contents)], path);
        c = config_of(NULL, env, &err);
        ck_assert_msg(c, "%s", err.msg);
        ck_assert_str_eq(c->providers[0].api_key, "sk-1");
        config_free(c);
        unlink(path);
        free(path);
    }
}
END_TEST

START_TEST(every_setting_has_a_variable)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *s = &config_settings[i];
        char var[512] = {0};
        const char *env[] = {var, NULL};
        struct err err = {0};
        struct config *c;

        setting_env_name(s, var);
        ck_assert_int_eq(strncmp(var, "FLOTILLA_", 9), 0);
        snprintf(var + strlen(var), sizeof(var) - strlen(var), "=%s", s->def);
        c = config_of(NULL, env, &err);
        ck_assert_msg(c, "%s", err.msg);
        ck_assert_str_ne(c->origins->of[i].env, "");
        config_free(c);
    }
}
END_TEST

START_TEST(a_file_is_found_by_argument_and_by_variable)
{
    char *path = temp_file("log: {level: error}\n");
    char *other = temp_file("log: {level: debug}\n");
    struct err err = {0};
    struct config *c;

    setenv("FLOTILLA_CONFIG", other, 1);
    c = config_load(path, &err);
    ck_assert_msg(c, "%s", err.msg);
    ck_assert_int_eq(c->log_level, 0);
    ck_assert_str_eq(c->path, path);
    config_free(c);
    c = config_load(NULL, &err);
    ck_assert_msg(c, "%s", err.msg);
    ck_assert_int_eq(c->log_level, 3);
    config_free(c);
    unsetenv("FLOTILLA_CONFIG");
    unlink(path);
    unlink(other);
    ck_assert(!config_load("/nowhere/f.yaml", &err));
    ck_assert_str_eq(err.msg, "cannot read /nowhere/f.yaml: No such file or directory");
    free(path);
    free(other);
}
END_TEST

Suite *test_config(void);
Suite *test_config(void)
{
    Suite *s = suite_create("test_config");
    TCase *tc = tcase_create("config");

    tcase_add_test(tc, defaults_alone_are_a_configuration);
    tcase_add_test(tc, without_groups_one_serves_all_queues);
    tcase_add_test(tc, a_file_sets_scalars_of_every_type);
    tcase_add_test(tc, groups_are_read_with_weights_or_names);
    tcase_add_test(tc, models_override_fields_and_add_rows);
    tcase_add_test(tc, rows_of_one_id_are_the_same_model_at_several_providers);
    tcase_add_loop_test(tc, loopback_is_told_from_the_host_alone, 0, (int)ARRAY_LEN(urls));
    tcase_add_test(tc, the_environment_wins_over_the_file);
    tcase_add_test(tc, a_secret_is_read_from_its_file_without_the_newline);
    tcase_add_test(tc, every_setting_has_a_variable);
    tcase_add_test(tc, a_file_is_found_by_argument_and_by_variable);
    suite_add_tcase(s, tc);
    return s;
}
