/* test_config_show.c - a configuration as text, and what differs between two. */
#include <string.h>

#include <jansson.h>

#include "tests/unit/config_scene.h"

START_TEST(show_tells_value_and_origin_and_no_secret)
{
    const char *env[] = {"REDIS_URL=redis://me:pass@h:1/2", "TOGETHER_API_KEY=sk-key", NULL};
    struct err err = {0};
    struct buf out = BUF(1 << 20);
    struct config *c = config_of("workers:\n  lease_ms: 11000\nproviders:\n  others:\n"
                                 "  - {name: l, base_url: 'https://l/v1', api_key: sk-other}\n"
                                 "http: {token: sk-token}\n",
                                 env, &err);
    /* clang-format off */
    static const char *const lines[] = {
        "\nworkers.lease_ms: 11000  # f.yaml:2\n",
        "redis.url: redis://me:***@h:1/2  # environment REDIS_URL\n",
        "\nproviders.together_api_key: \"***\"  # environment TOGETHER_API_KEY\n",
        "\nwebhooks.secret: \"\"  # default\n",
        "\nhttp.token: \"***\"  # f.yaml:6\n",
        "\nlog.level: info  # default\n",
        "\ndata_dir: /var/lib/flotilla  # default\n",
        "\nproviders.others: [{\"name\":\"l\",\"base_url\":\"https://l/v1\",\"api_key\":\"***\"}]  # f.yaml:4\n",
        "\nmodels: []  # default\n",
    };
    /* clang-format on */

    ck_assert_msg(c, "%s", err.msg);
    config_show(c, &out, false);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        ck_assert_msg(strstr(out.p, lines[i]), "no line %s in:\n%s", lines[i], out.p);
    ck_assert_ptr_null(strstr(out.p, "sk-"));
    ck_assert_ptr_null(strstr(out.p, "pass"));
    config_free(c);
    buf_done(&out);
}
END_TEST

START_TEST(show_as_json_has_every_setting_with_its_type)
{
    struct buf out = BUF(1 << 20);
    struct config *c = config_good("models: [{id: me/m, tasks: [chat], input_usd: 0.15}]");
    json_error_t error;
    json_t *doc;
    json_t *entry;
    size_t i;

    config_show(c, &out, true);
    doc = json_loadb(out.p, out.n, 0, &error);
    ck_assert_msg(doc, "%s: %s", error.text, out.p);
    ck_assert_uint_eq(json_array_size(doc), SETTING_COUNT + LIST_COUNT);
    json_array_foreach (doc, i, entry) {
        const json_t *value = json_object_get(entry, "value");

        ck_assert(json_is_string(json_object_get(entry, "key")));
        ck_assert(json_is_string(json_object_get(entry, "origin")));
        if (i >= SETTING_COUNT)
            ck_assert(json_is_array(value));
        else if (config_settings[i].type == SETTING_INT)
            ck_assert(json_is_integer(value));
        else
            ck_assert(config_settings[i].type == SETTING_BOOL ? json_is_boolean(value)
                                                              : json_is_string(value));
    }
    entry = json_array_get(doc, SETTING_COUNT + LIST_MODELS);
    ck_assert_str_eq(json_string_value(json_object_get(entry, "origin")), "f.yaml:1");
    entry = json_array_get(json_object_get(entry, "value"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(entry, "id")), "me/m");
    ck_assert_double_eq(json_number_value(json_object_get(entry, "input_usd")), 0.15);
    json_decref(doc);
    config_free(c);
    buf_done(&out);
}
END_TEST

/* clang-format off */
static const struct {
    const char *before, *after, *changed, *restart;
} diffs[] = {
    {"log: {level: info}", NULL, "", ""},
    {"log: {level: warn}", NULL, "log.level", ""},
    {"redis: {prefix: a}\nhttp: {listen: ''}\nretry: {max_attempts: 4}", NULL, "retry.max_attempts", "redis.prefix, http.listen"},
    {"workers: {processes: 9}", NULL, "workers.processes", ""},
    {GROUPS("{name: a, queues: [noop]}"), GROUPS("{name: a, processes: 7, queues: [noop]}"), "workers.groups", ""},
    {GROUPS("{name: a, queues: [noop]}"), GROUPS("{name: a, queues: {noop: 9}}"), "workers.groups", ""},
    {GROUPS("{name: a, queues: [noop]}"), NULL, "workers.groups", ""},
    {MODELS("{id: a, tasks: [chat]}"), MODELS("{id: a, tasks: [chat], input_usd: 1}"), "models", ""},
    {OTHERS("{name: a, base_url: 'https://a', api_key: x}"), OTHERS("{name: a, base_url: 'https://a', api_key: y}"), "providers.others", ""},
    {OTHERS("{name: a, base_url: 'https://a'}"), OTHERS("{name: a, base_url: 'https://a', ca_file: /a}"), "providers.others", ""},
    {OTHERS("{name: a, base_url: 'https://a'}"), OTHERS("{name: b, base_url: 'https://a'}"), "providers.others", "providers.others"},
    {"webhooks: {secret: whsec_MTIzNDU2Nzg5MDEyMzQ1Ng==}", "webhooks: {secret: whsec_MTIzNDU2Nzg5MDEyMzQ1Nw==}", "webhooks.secret", ""},
};
/* clang-format on */

START_TEST(diff_says_what_a_reload_does_and_what_needs_a_restart)
{
    struct config *a = config_good(diffs[_i].before);
    struct config *b = config_good(diffs[_i].after);
    struct buf changed = BUF(4096);
    struct buf restart = BUF(4096);

    config_diff(a, b, &changed, &restart);
    ck_assert_str_eq(changed.n ? changed.p : "", diffs[_i].changed);
    ck_assert_str_eq(restart.n ? restart.p : "", diffs[_i].restart);
    buf_done(&changed);
    buf_done(&restart);
    config_free(a);
    config_free(b);
}
END_TEST

Suite *test_config_show(void);
Suite *test_config_show(void)
{
    Suite *s = suite_create("test_config_show");
    TCase *tc = tcase_create("show and diff");

    tcase_add_test(tc, show_tells_value_and_origin_and_no_secret);
    tcase_add_test(tc, show_as_json_has_every_setting_with_its_type);
    tcase_add_loop_test(tc, diff_says_what_a_reload_does_and_what_needs_a_restart, 0,
                        (int)ARRAY_LEN(diffs));
    suite_add_tcase(s, tc);
    return s;
}
