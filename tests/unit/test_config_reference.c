/* test_config_reference.c - deploy/flotilla.yaml and its man page say what the programs do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/config_scene.h"

static char *read_all(const char *path)
{
    struct buf b = BUF(1 << 20);
    struct err err = {0};

    ck_assert_msg(config_read_file(path, 1 << 20, &b, &err), "%s (run from the top folder)",
                  err.msg);
    return buf_take(&b);
}

START_TEST(the_reference_file_and_the_man_page_have_every_setting)
{
    char *yaml = read_all("deploy/flotilla.yaml");
    char *man = read_all("deploy/man/flotilla.yaml.5");

    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *s = &config_settings[i];
        char bounds[128] = "";
        char line[512];

        if (s->type == SETTING_INT)
            snprintf(bounds, sizeof(bounds), " (%lld to %lld)", (long long)s->min,
                     (long long)s->max);
        else if (s->type == SETTING_BOOL)
            snprintf(bounds, sizeof(bounds), " (true or false)");
        snprintf(line, sizeof(line), "# %s%s", s->help, bounds);
        ck_assert_msg(strstr(yaml, line), "not in deploy/flotilla.yaml: %s", line);
        snprintf(line, sizeof(line), "\n.It Ic %s : ", s->name);
        ck_assert_msg(strstr(man, line), "not in flotilla.yaml(5): %s", line);
        snprintf(line, sizeof(line), "\n%s.\n", s->help);
        ck_assert_msg(strstr(man, line), "not in flotilla.yaml(5): %s", line);
        snprintf(bounds, sizeof(bounds), "From %lld to %lld.", (long long)s->min,
                 (long long)s->max);
        ck_assert_msg(s->type != SETTING_INT || strstr(strstr(man, line), bounds),
                      "not in flotilla.yaml(5): %s %s", s->name, bounds);
    }
    free(yaml);
    free(man);
}
END_TEST

/* The file with every single # in the first column deleted, without lines from one that starts with
 * `from` to the next empty one, or without those that start with one of two texts. */
static char *uncommented(const char *block, const char *line1, const char *line2)
{
    char *text = read_all("deploy/flotilla.yaml");
    struct buf out = BUF(1 << 20);
    bool skip = false;

    for (char *line = text, *end; *line; line = end) {
        end = line + strcspn(line, "\n");
        end += *end == '\n';
        if (line[0] == '#' && line[1] != '#')
            line++;
        skip = strncmp(line, block, strlen(block)) == 0 || (skip && end - line > 1);
        if (!skip && strncmp(line, line1, strlen(line1)) != 0 &&
            strncmp(line, line2, strlen(line2)) != 0)
            buf_add(&out, line, (size_t)(end - line));
    }
    free(text);
    return buf_take(&out);
}

START_TEST(the_reference_file_loads_and_holds_the_defaults)
{
    char *text = uncommented("  groups:", "-", "-");
    struct config *c = config_good(text);
    struct config *d = config_good(NULL);

    for (size_t i = 0; i < SETTING_COUNT; i++) {
        ck_assert_msg(setting_equal(c, d, &config_settings[i]), "%s", config_settings[i].name);
        ck_assert_msg(c->origins->of[i].line > 0, "%s is not set", config_settings[i].name);
    }
    config_free(c);
    config_free(d);
    free(text);
    text = read_all("deploy/flotilla.yaml");
    c = config_good(text);
    for (size_t i = 0; i < SETTING_COUNT; i++)
        ck_assert_msg(c->origins->of[i].line == 0, "%s is set", config_settings[i].name);
    config_free(c);
    free(text);
}
END_TEST

START_TEST(the_examples_of_lists_in_the_reference_file_load)
{
    char *text = uncommented("-", "  processes:", "  concurrency:");
    struct config *c = config_good(text);

    ck_assert_uint_eq(c->group_count, 2);
    ck_assert_uint_eq(c->provider_count, 2);
    ck_assert_ptr_nonnull(model_find(&c->models, "my-org/my-painter", 17));
    config_free(c);
    free(text);
}
END_TEST

Suite *test_config_reference(void);
Suite *test_config_reference(void)
{
    Suite *s = suite_create("test_config_reference");
    TCase *tc = tcase_create("reference");

    tcase_add_test(tc, the_reference_file_and_the_man_page_have_every_setting);
    tcase_add_test(tc, the_reference_file_loads_and_holds_the_defaults);
    tcase_add_test(tc, the_examples_of_lists_in_the_reference_file_load);
    suite_add_tcase(s, tc);
    return s;
}
