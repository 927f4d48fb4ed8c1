/* test_documents.c - README.md, CONTRIBUTING.md and the manual say what the programs do.
 *
 * The kind of a JSON block stands behind its fence: a job, or "json result" and the like.  Jobs in
 * shell, Python, Go, JavaScript and C are found by their quotes. */
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/core/err.h"
#include "common/schema/schema.h"
#include "tests/unit/config_scene.h"
#include "tests/unit/documents_scene.h"

static int seen; /* examples that were looked at */

/* ---- JSON ---- */

extern const char asset_schemas_job_json[], asset_schemas_result_json[], asset_schemas_cost_json[],
    asset_schemas_webhook_json[], asset_schemas_alert_json[];
static const struct {
    const char *info, *schema;
} kinds[] = {
    {"json", asset_schemas_job_json},
    {"json result", asset_schemas_result_json},
    {"json cost", asset_schemas_cost_json},
    {"json alert", asset_schemas_alert_json},
    {"json webhook", asset_schemas_webhook_json},
};

static void check_json(const struct piece *at, const char *text, const char *schema_text)
{
    struct err err = {0};
    json_error_t error;
    json_t *doc = json_loads(text, 0, &error);
    struct schema *schema = schema_new(schema_text, &err);

    ck_assert_msg(doc, "%s: no JSON: %s", piece_at(at), error.text);
    ck_assert_ptr_nonnull(schema);
    ck_assert_msg(schema_check(schema, doc, &err), "%s: %s", piece_at(at), err.msg);
    schema_free(schema);
    json_decref(doc);
    seen++;
}

static void check_json_block(const struct piece *block)
{
    bool known = strncmp(block->info, "json", 4) != 0;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (!strcmp(block->info, kinds[i].info)) {
            check_json(block, block->text, kinds[i].schema);
            known = true;
        }
    ck_assert_msg(known, "%s: `%s` is no kind of JSON", piece_at(block), block->info);
}

/* The text that begins at p and ends at the quote, without the backslashes of C.  Strings that are
 * only apart by white space are one. */
static char *quoted(const char *p, char quote)
{
    struct buf text = BUF(PAGE_MAX);

    while (*p) {
        size_t gap = *p == quote ? strspn(p + 1, " \n") + 1 : 0;

        if (gap == 1 || (gap && p[gap] != quote))
            break;
        p += gap ? gap + 1 : 0;
        p += *p == '\\' && quote == '"';
        buf_putc(&text, *p++);
    }
    return buf_take(&text);
}

static void check_quoted_jobs(const struct piece *block)
{
    static const char *const begins[] = {"'{\"", "`{\"", "\"{\\\""};

    for (size_t i = 0; i < ARRAY_LEN(begins); i++)
        for (const char *p = block->text; (p = strstr(p, begins[i])); p++) {
            char *text = quoted(p + 1, *p);

            if (strstr(text, "\"type\"") || strstr(text, "\"payload\""))
                check_json(block, text, asset_schemas_job_json);
            free(text);
        }
}

static void check_payload(const struct piece *code)
{
    char text[1024];

    if (strncmp(code->text, "{\"task\"", 7) != 0)
        return;
    snprintf(text, sizeof text, "{\"type\":\"inference\",\"payload\":%s}", code->text);
    check_json(code, text, asset_schemas_job_json);
}

START_TEST(each_document_in_an_example_fits_its_schema)
{
    each_block(check_json_block);
    each_block(check_quoted_jobs);
    each_code(check_payload);
    ck_assert_int_gt(seen, 10);
}
END_TEST

/* ---- commands ---- */

static const char *const commands[] = {
#define X(symbol, name, args, flags, text) name,
#include "scheduler/cli/commands.def"
};
static const char *const options[][2] = {
#define X(command, option, text) {command, option},
#include "scheduler/cli/options.def"
};

/* "--input-usd" of `flotilla route add` is the field input_usd of models in flotilla.yaml(5). */
static bool is_field_of_models(const char *word)
{
    char *page = document_text("deploy/man/flotilla.yaml.5"), row[128];
    bool found;

    snprintf(row, sizeof row, "\n.It Ic %s\n", word + strspn(word, "-"));
    for (char *p = row + strlen("\n.It Ic "); *p; p++)
        if (*p == '-')
            *p = '_';
    found = strstr(page, row) != NULL;
    free(page);
    return found;
}

static bool is_option(const char *command, const char *word)
{
    size_t n = strcspn(word, "=");

    if (!strcmp(word, "--json") || !strcmp(word, "-c") || !strcmp(word, "--help") ||
        !strcmp(word, "-") || (!strcmp(command, "route") && is_field_of_models(word)))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (!strcmp(options[i][0], command) && strcspn(options[i][1], " ") == n &&
            !strncmp(options[i][1], word, n))
            return true;
    return false;
}

/* text: "flotilla costs --by model | less". */
static void check_command(const struct piece *at, const char *text)
{
    char word[256], command[256] = "";
    bool known = false;

    for (const char *p = text + strlen("flotilla"); *p;) {
        size_t n = (p += strspn(p, " "), strcspn(p, *p == '\'' ? "" : " "));

        if (!*p || strchr("|>&#;'2\\", *p)) /* what follows are no options */
            break;
        snprintf(word, sizeof word, "%.*s", (int)n, p);
        if (*word == '-')
            ck_assert_msg(is_option(command, word), "%s: %s has no %s", piece_at(at), command,
                          word);
        else if (!*command)
            snprintf(command, sizeof command, "%s", word);
        p += n;
    }
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        known |= !strcmp(commands[i], command);
    ck_assert_msg(known || !*command || isupper((unsigned char)*command),
                  "%s: there is no command %s", piece_at(at), command);
    seen++;
}

static void check_commands_of_block(const struct piece *block)
{
    for (const char *p = block->text; (p = strstr(p, "flotilla ")); p++) {
        char *line = strndup(p, strcspn(p, "\n"));

        if (p == block->text || p[-1] == '\n')
            check_command(block, line);
        free(line);
    }
}

static void check_command_of_code(const struct piece *code)
{
    if (!strncmp(code->text, "flotilla ", 9))
        check_command(code, code->text);
}

START_TEST(each_command_in_an_example_has_these_options)
{
    each_block(check_commands_of_block);
    each_code(check_command_of_code);
    ck_assert_int_gt(seen, 10);
}
END_TEST

/* ---- settings ---- */

/* Lists of the file, beside the settings with one value. */
static const char *const lists[] = {"providers.others", "workers.groups", "routing.fallbacks"};

static bool is_setting(const char *name)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (!strcmp(config_settings[i].name, name))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        if (!strcmp(lists[i], name))
            return true;
    return false;
}

/* What has a dot and is no setting: queues, types of webhooks, names of files. */
static bool is_another_name(const char *text, const char *dot)
{
    static const char *const names[] = {
#define X(NAME, name, code, weight) name,
#include "common/queue/queues.def"
#undef X
    };
    static const char *const ends[] = {".acl", ".c",  ".def", ".h",   ".json",
                                       ".log", ".md", ".sh",  ".yaml"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!strcmp(names[i], text))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (!strcmp(ends[i], dot))
            return true;
    return !strncmp(text, "job.", 4) || !strncmp(text, "alert.", 6);
}

/* "retry.max_ms", and "cache.enabled: false" up to the colon: the bytes of the name; else 0. */
static size_t setting_length(const char *text)
{
    static const char word[] = "abcdefghijklmnopqrstuvwxyz_0123456789";
    size_t section = isdigit((unsigned char)*text) ? 0 : strspn(text, word), n;

    if (!section || text[section] != '.' || !strspn(text + section + 1, word))
        return 0;
    n = section + 1 + strspn(text + section + 1, word);
    return (!text[n] || !strncmp(text + n, ": ", 2)) && !is_another_name(text, text + section) ? n
                                                                                               : 0;
}

static void check_named_setting(const struct piece *code)
{
    char name[128], yaml[512];
    size_t n = setting_length(code->text), section = strcspn(code->text, ".");
    struct err err = {0};
    struct config *c;

    if (!n)
        return;
    snprintf(name, sizeof name, "%.*s", (int)n, code->text);
    ck_assert_msg(is_setting(name), "%s: there is no such setting", piece_at(code));
    seen++;
    if (!code->text[n])
        return;
    snprintf(yaml, sizeof yaml, "%.*s:\n  %s\n", (int)section, name, code->text + section + 1);
    c = config_of(yaml, NULL, &err);
    ck_assert_msg(c, "%s: %s", piece_at(code), err.msg);
    config_free(c);
}

static void check_setting(const struct piece *code)
{
    static const char *const beside[] = {"FLOTILLA_CONFIG", "FLOTILLA_<SECTION>_<KEY>"};
    char name[128], *p;
    bool known = false;

    check_named_setting(code);
    if (strncmp(code->text, "FLOTILLA_", 9) != 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(beside); i++)
        known |= !strcmp(code->text, beside[i]);
    snprintf(name, sizeof name, "%s", code->text + 9);
    name[strcspn(name, "=")] = '\0';
    for (p = name; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    p = strchr(name, '_');
    if (p && strcmp(name, "data_dir") != 0)
        *p = '.';
    ck_assert_msg(known || is_setting(name), "%s: there is no such setting", piece_at(code));
}

static void check_yaml(const struct piece *block)
{
    struct err err = {0};
    struct config *c;

    if (strcmp(block->info, "yaml") != 0)
        return;
    c = config_of(block->text, NULL, &err);
    ck_assert_msg(c, "%s: %s", piece_at(block), err.msg);
    config_free(c);
    seen++;
}

START_TEST(each_setting_that_is_named_is_one)
{
    each_code(check_setting);
    each_block(check_yaml);
    ck_assert_int_gt(seen, 10);
}
END_TEST

/* ---- links and files ---- */

static void check_links(const struct piece *line)
{
    for (const char *p = line->text; (p = strstr(p, "](")); p++) {
        const char *slash = strrchr(line->of->path, '/');
        int folder = slash ? (int)(slash + 1 - line->of->path) : 0;
        char path[512];

        if (!strncmp(p + 2, "https://", 8))
            continue;
        snprintf(path, sizeof path, "%.*s%.*s", folder, line->of->path, (int)strcspn(p + 2, ")#"),
                 p + 2);
        ck_assert_msg(access(path, R_OK) == 0, "%s: there is no %s", piece_at(line), path);
        seen++;
    }
}

/* `worker/run.c` names a file of the sources. */
static void check_file(const struct piece *code)
{
    static const char *const roots[] = {"common/",  "scheduler/", "worker/",
                                        "schemas/", "deploy/",    "tests/"};

    if (strpbrk(code->text, " <*…"))
        return;
    for (size_t i = 0; i < ARRAY_LEN(roots); i++)
        if (!strncmp(code->text, roots[i], strlen(roots[i]))) {
            ck_assert_msg(access(code->text, R_OK) == 0, "%s: no such file", piece_at(code));
            seen++;
        }
}

START_TEST(each_link_and_each_file_that_is_named_is_there)
{
    each_line(check_links);
    each_code(check_file);
    ck_assert_int_gt(seen, 10);
}
END_TEST

/* ---- what is in the tables is in the manual ---- */

#define CHECK_IN(page, text, ...)                                       \
    do {                                                                \
        char row_[512];                                                 \
        snprintf(row_, sizeof row_, __VA_ARGS__);                       \
        ck_assert_msg(strstr(text, row_), "not in %s: %s", page, row_); \
    } while (0)

static const struct {
    const char *code, *class, *text;
} errors[] = {
#define X(KIND, code, class, http, billed, onward, route, text) {code, #class, text},
#include "common/core/err_kinds.def"
#undef X
};
static const struct {
    const char *code, *level, *text;
} alerts[] = {
#define X(code, level, text) {code, #level, text},
#include "common/queue/alert_codes.def"
#undef X
};
static const struct {
    const char *code, *text;
} reasons[] = {
#define X(REASON, code, text) {code, text},
#include "common/why/why.def"
#undef X
};

static const char *lower(const char *word)
{
    static char text[32];
    size_t n = 0;

    for (; word[n]; n++)
        text[n] = (char)tolower((unsigned char)word[n]);
    text[n] = '\0';
    return text;
}

START_TEST(the_manual_has_every_error_reason_alert_and_field)
{
    char *jobs = document_text("deploy/docs/jobs.md");
    char *operations = document_text("deploy/docs/operations.md");
    json_t *schema = json_loads(asset_schemas_job_json, 0, NULL), *value;
    const char *name;

    for (size_t i = 0; i < ARRAY_LEN(errors); i++)
        if (strcmp(errors[i].class, "NONE") != 0)
            CHECK_IN("jobs.md", jobs, "\n| `%s` | %s | %s |\n", errors[i].code, errors[i].text,
                     lower(errors[i].class));
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        CHECK_IN("jobs.md", jobs, "\n| `%s` | %s |\n", reasons[i].code, reasons[i].text);
    for (size_t i = 0; i < ARRAY_LEN(alerts); i++)
        CHECK_IN("operations.md", operations, "\n| `%s` | %s | %s |\n", alerts[i].code,
                 lower(alerts[i].level), alerts[i].text);
    json_object_foreach (json_object_get(schema, "properties"), name, value)
        CHECK_IN("jobs.md", jobs, "\n| `%s` | ", name);
    json_decref(schema);
    free(operations);
    free(jobs);
}
END_TEST

static const char *const keywords[] = {
#define X(keyword, reader, theirs) keyword,
#include "common/schema/schema_keywords.def"
#undef X
};

START_TEST(the_manual_has_every_keyword_of_schemas_and_every_flag_of_costs)
{
    char *structured = document_text("deploy/docs/structured-output.md");
    char *costs = document_text("deploy/docs/costs.md");
    json_t *schema = json_loads(asset_schemas_cost_json, 0, NULL), *flags = NULL, *flag;
    size_t i;

    for (i = 0; i < ARRAY_LEN(keywords); i++)
        CHECK_IN("structured-output.md", structured, "`%s`", keywords[i]);
    ck_assert_int_eq(
        json_unpack(schema, "{s{s{s{s:o}}}}", "properties", "flags", "items", "enum", &flags), 0);
    ck_assert_uint_gt(json_array_size(flags), 0);
    json_array_foreach (flags, i, flag)
        CHECK_IN("costs.md", costs, "\n| `%s` | ", json_string_value(flag));
    json_decref(schema);
    free(costs);
    free(structured);
}
END_TEST

START_TEST(each_command_stands_in_a_page_and_each_page_in_the_readme)
{
    struct document all[DOCUMENTS_MAX];
    size_t count = documents(all);

    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        char text[64];
        bool found = false;

        snprintf(text, sizeof text, "flotilla %s", commands[i]);
        for (size_t k = 1; k < count; k++)
            found |= strstr(all[k].text, text) != NULL;
        ck_assert_msg(found, "%s is in no page", text);
    }
    for (size_t k = 1; k < count; k++)
        CHECK_IN("README.md", all[0].text, "](%s)", all[k].path);
    for (size_t k = 0; k < count; k++)
        free(all[k].text);
}
END_TEST

Suite *test_documents(void);
Suite *test_documents(void)
{
    Suite *s = suite_create("test_documents");
    TCase *tc = tcase_create("documents");

    tcase_set_timeout(tc, 20);
    tcase_add_test(tc, each_document_in_an_example_fits_its_schema);
    tcase_add_test(tc, each_command_in_an_example_has_these_options);
    tcase_add_test(tc, each_setting_that_is_named_is_one);
    tcase_add_test(tc, each_link_and_each_file_that_is_named_is_there);
    tcase_add_test(tc, the_manual_has_every_error_reason_alert_and_field);
    tcase_add_test(tc, the_manual_has_every_keyword_of_schemas_and_every_flag_of_costs);
    tcase_add_test(tc, each_command_stands_in_a_page_and_each_page_in_the_readme);
    suite_add_tcase(s, tc);
    return s;
}
