/* test_help.c - pages of the manual as text: scheduler/cli/help_markdown.h. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/cli/help_markdown.h"

Suite *test_help(void);

static char *printed(const char *page, int width, bool marks)
{
    char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);

    help_print(to, page, (struct help_style){.width = width, .marks = marks});
    fclose(to);
    return text;
}

static void check(const char *page, int width, bool marks, const char *want)
{
    char *text = printed(page, width, marks);

    ck_assert_str_eq(text, want);
    free(text);
}

/* clang-format off */
static const struct {
    const char *page, *at_30_columns;
} blocks[] = {
    {"# A title\n\n## Part `x`\ntext\n", "A TITLE\n\nPart `x`\n  text\n"},
    {"one\ntwo\n\nthree\n", "  one two\n\n  three\n"},
    {"a text that is longer than a line\n", "  a text that is longer than a\n  line\n"},
    {"- one item that is folded here\n  and goes on\n- two\n", "  - one item that is folded\n    here and goes on\n  - two\n"},
    {"text:\n- a\n\n- b\n\n9. c\n10. d\n", "  text:\n  - a\n\n  - b\n\n  9. c\n  10. d\n"},
    {"see\n```sh\n  a line of code that is not folded\n\n  b\n```\nend\n", "  see\n      a line of code that is not folded\n\n      b\n\n  end\n"},
    {"|a|b|\n|---|---|\n|long one|2|\n|`x\\|y`|c d|\n", "  a         b\n  ────────  ───\n  long one  2\n  `x|y`     c d\n"},
    {"|a|b|\n|---|---|\n|word_of_17_places|some of them|\n", "  a                  b\n  ─────────────────  ─────────\n  word_of_17_places  some of\n                     them\n"},
    {"| | |\n|---|---|\n| k | some words that do not fit here |\n| | z |\n", "  k  some words that do not\n     fit here\n     z\n"},
    {"[jobs](jobs.md), [a job](jobs.md#id), [s](../../schemas/job.json), [h](https://x.y/z)\n",
     "  jobs, a job (jobs), s\n  (schemas/job.json), h\n  (https://x.y/z)\n"},
    {"**bold**, 2 * 3 ** 4, [no link], \\`x\n", "  bold, 2 * 3 ** 4, [no link],\n  `x\n"},
    {"ä ö ü ä ö ü ä ö ü ä ö ü ä ö x\n", "  ä ö ü ä ö ü ä ö ü ä ö ü ä ö\n  x\n"},
    {"a `word-that-is-wider-than-the-whole-line` b\n", "  a\n  `word-that-is-wider-than-the-whole-line`\n  b\n"},
    /* what is not finished */
    {"", ""}, {"`code", "  `code`\n"}, {"**", "  **\n"}, {"[x](y", "  [x](y\n"}, {"```\nx", "    x\n"}, {"|", ""}, {"|a", ""}, {"#", "\n"},
    {"\\", "  \\\n"},
};
/* clang-format on */

START_TEST(a_block_is_printed) { check(blocks[_i].page, 30, false, blocks[_i].at_30_columns); }
END_TEST

START_TEST(a_terminal_gets_marks_that_end_with_the_line)
{
    check("# T\n\nan `x` and **some bold words** [l](l.md)\n", 20, true,
          "\x1b[1mT\x1b[0m\n\n  an \x1b[1mx\x1b[0m and \x1b[1msome bold\x1b[0m\n"
          "  \x1b[1mwords\x1b[0m \x1b[4ml\x1b[0m\n");
    check("|`a`|b|\n|---|---|\n|1|`2`|\n", 20, true,
          "  \x1b[1m\x1b[1ma\x1b[0m\x1b[0m  \x1b[1mb\x1b[0m\n  ─  ─\n  1  \x1b[1m2\x1b[0m\n");
}
END_TEST

START_TEST(the_summary_is_the_first_sentence)
{
    static const char *const pages[][2] = {
        {"# T\n\nOne `sentence`\nof two lines. Another.\n", "One `sentence` of two lines."},
        {"# T\n\nNo end\n\nAnother.\n", "No end"},
        {"# T\n", ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        struct buf text = BUF(HELP_LINE_BYTES);

        help_summary(&text, pages[i][0]);
        ck_assert_str_eq(text.n ? text.p : "", pages[i][1]);
        buf_done(&text);
    }
}
END_TEST

Suite *test_help(void)
{
    Suite *s = suite_create("test_help");
    TCase *tc = tcase_create("help");

    tcase_add_loop_test(tc, a_block_is_printed, 0, (int)ARRAY_LEN(blocks));
    tcase_add_test(tc, a_terminal_gets_marks_that_end_with_the_line);
    tcase_add_test(tc, the_summary_is_the_first_sentence);
    suite_add_tcase(s, tc);
    return s;
}
