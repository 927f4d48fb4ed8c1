/* Which changes of a catalogue a team is told. */
#include <check.h>
#include <string.h>

#include "worker/route/changes.h"

#define M(usd) ((usd)*INT64_C(1000000)) /* thousandths of a USD */

static struct model row(const char *id, int64_t in, int64_t out)
{
    return (struct model){.id = (char *)(uintptr_t)id,
                          .provider = (char *)(uintptr_t) "p",
                          .tasks = TASK_CHAT,
                          .in_nanousd = in,
                          .out_nanousd = out,
                          .cached_nanousd = -1,
                          .image_nanousd = -1,
                          .allowed = true};
}

static struct change first;

/* How many changes from before (in < -1: no catalogue before; -2 in both: not listed then) to now.
 */
static size_t count(struct model *known, struct model *before, struct model *now, int64_t percent)
{
    struct model_table k = {known, 1}, b = {before, before && before->id ? 1 : 0},
                       n = {now, now ? 1 : 0};
    const struct changes_in in = {
        .known = &k, .before = before ? &b : NULL, .now = &n, .provider = "p", .percent = percent};

    first = (struct change){0};
    return changes_find(&in, &first, 1);
}

START_TEST(a_price_that_rose_by_more_than_the_bound_is_told)
{
    struct model known = row("a", M(100), M(200)), before = row("a", M(100), M(200));
    struct model same = row("a", M(100), M(200)), bound = row("a", M(110), M(220));
    struct model more = row("a", M(111), M(200)), twice = row("a", M(120), M(400));
    char text[CHANGE_TEXT];

    ck_assert_uint_eq(count(&known, &before, &same, 10), 0);
    ck_assert_uint_eq(count(&known, &before, &bound, 10), 0);
    ck_assert_uint_eq(count(&known, &before, &more, 10), 1);
    ck_assert_str_eq(change_code(first.kind), "price_changed");
    ck_assert_str_eq(first.what, "input");
    ck_assert_uint_eq(count(&known, &before, &twice, 10), 1);
    ck_assert_str_eq(first.what, "output"); /* it rose more */
    change_text(&first, text);
    ck_assert_str_eq(
        text, "the price of a at p rose from $0.20 to $0.40 per million tokens (output), by 100 %"
              "; the new price is used unless the configuration sets one");
    ck_assert_uint_eq(count(&known, &twice, &same, 0), 0); /* cheaper */
}
END_TEST

START_TEST(without_an_earlier_catalogue_what_is_known_is_compared)
{
    struct model known = row("a", M(100), M(200)), dearer = row("a", M(150), M(200));
    struct model unknown = row("a", -1, -1);

    ck_assert_uint_eq(count(&known, NULL, &dearer, 10), 1);
    ck_assert_uint_eq(count(&unknown, NULL, &dearer, 10), 0); /* a first price is no rise */
    ck_assert_uint_eq(count(&known, NULL, &unknown, 10), 0);
}
END_TEST

START_TEST(a_model_that_left_the_list_is_told_once)
{
    struct model known = row("a", M(100), M(200)), before = row("a", M(100), M(200)), none = {0};
    char text[CHANGE_TEXT];

    ck_assert_uint_eq(count(&known, &before, NULL, 10), 1);
    ck_assert_str_eq(change_code(first.kind), "model_unlisted");
    change_text(&first, text);
    ck_assert_ptr_nonnull(strstr(text, "a is no longer in the catalogue of p"));
    ck_assert_uint_eq(count(&known, &none, NULL, 10), 0); /* it was not there before */
    ck_assert_uint_eq(count(&known, NULL, NULL, 10), 0);
    known.default_for = TASK_CHAT;
    ck_assert_uint_eq(count(&known, NULL, NULL, 10), 1); /* but a default should be */
}
END_TEST

START_TEST(models_that_are_not_in_use_change_in_silence)
{
    struct model known = row("a", M(100), M(200)), before = row("a", M(100), M(200));

    known.allowed = false;
    ck_assert_uint_eq(count(&known, &before, NULL, 10), 0);
    known = row("a", M(100), M(200));
    known.tasks = 0;
    ck_assert_uint_eq(count(&known, &before, NULL, 10), 0);
    known = row("a", M(100), M(200));
    known.provider = (char *)(uintptr_t) "q";
    ck_assert_uint_eq(count(&known, &before, NULL, 10), 0);
}
END_TEST

Suite *test_changes(void);
Suite *test_changes(void)
{
    Suite *s = suite_create("changes");
    TCase *tc = tcase_create("changes");

    tcase_add_test(tc, a_price_that_rose_by_more_than_the_bound_is_told);
    tcase_add_test(tc, without_an_earlier_catalogue_what_is_known_is_compared);
    tcase_add_test(tc, a_model_that_left_the_list_is_told_once);
    tcase_add_test(tc, models_that_are_not_in_use_change_in_silence);
    suite_add_tcase(s, tc);
    return s;
}
