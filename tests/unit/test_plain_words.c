/* test_plain_words.c - the form of documents, and the words of all texts that people read. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/documents_scene.h"

enum { README_LINES = 180, PAGE_LINES = 250, CODE_COLUMNS = 76 };

static void check_width(const struct piece *block)
{
    if (!strchr(block->of->path, '/')) /* no page of `flotilla help` */
        return;
    for (const char *p = block->text; *p; p += strcspn(p, "\n") + 1)
        ck_assert_msg(strcspn(p, "\n") <= CODE_COLUMNS, "%s: over %d columns: %.*s",
                      block->of->path, CODE_COLUMNS, (int)strcspn(p, "\n"), p);
}

static void check_words(const struct piece *line)
{
    static const char *const words[] = {
        "so long as", "for so long", " anew",     " mend",     "there is none", "comes to lie",
        " is told",   " are told",   "set aside", "taken out", "goes well",     "went well",
    };

    if (!strncmp(line->text, "- Not \"", 7)) /* the rule itself */
        return;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        ck_assert_msg(!strstr(line->text, words[i]), "%s: say it in plain words", piece_at(line));
}

START_TEST(documents_are_short_and_plain)
{
    struct document all[DOCUMENTS_MAX];
    size_t count = documents(all);

    for (size_t i = 0; i < count; i++) {
        int lines = 0;

        for (const char *p = all[i].text; (p = strchr(p, '\n')); p++)
            lines++;
        ck_assert_msg(lines <= (i ? PAGE_LINES : README_LINES), "%s has %d lines", all[i].path,
                      lines);
        ck_assert_msg(!strncmp(all[i].text, "# ", 2), "%s begins without a heading", all[i].path);
        free(all[i].text);
    }
    each_block(check_width);
    each_line(check_words);
}
END_TEST

/* Texts that are no documents, but print what people read. */
static const char *const texts[] = {
    "deploy/man/*",        "deploy/flotilla.yaml", "deploy/redis/*", "common/*/*.def",
    "scheduler/cli/*.def", "worker/*/*.def",       "schemas/*.json", "tests/*/*.def",
};

START_TEST(manuals_and_tables_are_plain)
{
    int seen = 0;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        glob_t found = {0};

        ck_assert_msg(glob(texts[i], 0, NULL, &found) == 0, "%s: no such files", texts[i]);
        for (size_t k = 0; k < found.gl_pathc; k++, seen++) {
            struct document d = {.text = document_text(found.gl_pathv[k])};

            snprintf(d.path, sizeof d.path, "%s", found.gl_pathv[k]);
            each_line_of(&d, check_words);
            free(d.text);
        }
        globfree(&found);
    }
    ck_assert_int_gt(seen, 25);
}
END_TEST

Suite *test_plain_words(void);
Suite *test_plain_words(void)
{
    Suite *s = suite_create("test_plain_words");
    TCase *tc = tcase_create("words");

    tcase_add_test(tc, documents_are_short_and_plain);
    tcase_add_test(tc, manuals_and_tables_are_plain);
    suite_add_tcase(s, tc);
    return s;
}
