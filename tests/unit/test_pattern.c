/* test_pattern.c - regular expressions as ECMA-262 reads them, and never for long. */
#include "common/schema/pattern.h"

#include <check.h>
#include <string.h>

#include "common/core/clock.h"

static bool match(const char *pattern, const char *text)
{
    int64_t steps = 1000000;
    struct err err = {0};
    struct pattern *p = pattern_new(pattern, &err);
    bool ok;

    ck_assert_msg(p != NULL, "%s: %s", pattern, err.msg);
    ok = pattern_matches(p, text, strlen(text), &steps);
    ck_assert_int_gt(steps, 0);
    ck_assert(pattern_matches(p, text, strlen(text), &steps) == ok);
    pattern_free(p);
    return ok;
}

/* clang-format off */
static const struct {
    const char *pattern, *text;
    bool fits;
} cases[] = {
    {"", "", true}, {"", "x", true}, {"b", "abc", true}, {"b", "ac", false},
    {"^b", "abc", false}, {"^a", "abc", true}, {"c$", "abc", true}, {"b$", "abc", false},
    {"^abc$", "abc", true}, {"^$", "", true}, {"^$", "x", false}, {"$^", "", true},
    {"^a*$", "", true}, {"^a*$", "aaaa", true}, {"^a*$", "aab", false}, {"^a+$", "", false},
    {"^a?b$", "b", true}, {"^a?b$", "ab", true}, {"^a?b$", "aab", false},
    {"^a{3}$", "aaa", true}, {"^a{3}$", "aa", false}, {"^a{3}$", "aaaa", false},
    {"^a{2,}$", "a", false}, {"^a{2,}$", "aaaaa", true}, {"^a{0}b$", "b", true},
    {"^a{0}b$", "ab", false}, {"^a{0,2}$", "aaa", false}, {"^a{0,2}$", "", true},
    {"^a{1,3}$", "aaa", true}, {"^a{1,3}$", "aaaa", false}, {"^(ab){2,3}$", "ababab", true},
    {"^(ab){2,3}$", "abab", true}, {"^(ab){2,3}$", "ab", false}, {"^(ab){2,3}$", "aba", false},
    {"^(a{2}){2}$", "aaaa", true}, {"^(a{2}){2}$", "aaa", false}, {"^a{,2}$", "a{,2}", true},
    {"^a{$", "a{", true}, {"^a+?b*?c??$", "aabbc", true},
    {"^(a|b)$", "b", true}, {"^(a|b|cd)+$", "cdab", true}, {"^(a|b|cd)+$", "cab", false},
    {"^(|x)y$", "y", true}, {"^(x|)y$", "xy", true}, {"a|^b$", "xax", true}, {"^a|b$", "xb", true},
    {"^(?:a|b)c$", "bc", true}, {"^(?<year>\\d{4})-(?<m>\\d\\d)$", "2026-11", true},
    {"^\\d{4}-\\d{2}-\\d{2}$", "2026-11-22", true}, {"^\\d+$", "12a", false},
    {"^\\w+$", "a_Z9", true}, {"^\\w+$", "a-b", false}, {"^\\s$", "\xc2\xa0", true},
    {"^\\S+$", "a b", false}, {"^\\D$", "x", true}, {"^\\D$", "5", false}, {"^\\W$", "-", true},
    {"^[a-c]+$", "abcab", true}, {"^[a-c]+$", "abd", false}, {"^[^a-c]$", "d", true},
    {"^[^a-c]$", "b", false}, {"^[a\\-z]+$", "a-z", true}, {"^[a\\-z]+$", "b", false},
    {"^[-a]+$", "-a", true}, {"^[a-]+$", "a-", true}, {"^[\\d_]+$", "1_2", true},
    {"^[^\\s]+$", "ab", true}, {"^[^\\s]+$", "a b", false}, {"^[\\S]$", " ", false},
    {"^[\\]\\\\]+$", "]\\", true}, {"[]", "x", false}, {"^[^]$", "x", true}, {"^[.]$", "x", false},
    {"^.$", "\xe2\x82\xac", true}, {"^..$", "\xe2\x82\xac", false}, {"^.$", "\n", false},
    {"^[\xc3\xa4-\xc3\xbc]$", "\xc3\xb6", true}, {"^\\u00e4$", "\xc3\xa4", true},
    {"^\\ud83d\\ude00$", "\xf0\x9f\x98\x80", true}, {"^\\u{1F600}$", "\xf0\x9f\x98\x80", true},
    {"^\\x41\\t\\cI\\0?$", "A\t\t", true}, {"^a\\.b$", "a.b", true}, {"^a\\.b$", "axb", false},
    {"^\\/\\-\\$$", "/-$", true}, {"\\bcat\\b", "a cat!", true}, {"\\bcat\\b", "concat", false},
    {"\\Bcat", "concat", true}, {"\\Bcat", "cat", false}, {"^(a*)*$", "aaa", true},
    {"^(a*)+b$", "aaab", true}, {"^(()|a)+$", "aa", true}, {"^(^a|b$)+$", "ab", true},
    {"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}$", "a.b+c@example.co.uk", true},
    {"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}$", "a.b@example", false},
    {"^(25[0-5]|2[0-4]\\d|1?\\d?\\d)(\\.(25[0-5]|2[0-4]\\d|1?\\d?\\d)){3}$", "192.168.1.255", true},
    {"^(25[0-5]|2[0-4]\\d|1?\\d?\\d)(\\.(25[0-5]|2[0-4]\\d|1?\\d?\\d)){3}$", "192.168.1.256", false},
    {"^.$", "\xff", true}, {"^a$", "\xff", false},
};

static const struct {
    const char *pattern, *why;
} bad[] = {
    {"a(?=b)", "look-around is not supported"}, {"(?<!a)b", "look-around is not supported"},
    {"(a)\\1", "back-references are not supported"}, {"\\p{L}", "\\p{...} is not supported"},
    {"\\q", "an escape that is not known"}, {"\\", "a backslash at the end"},
    {"*a", "nothing to repeat"}, {"a**", "nothing to repeat"}, {"(a", "a group lacks its )"},
    {"a)", "a ) without its ("}, {"[a", "a class lacks its ]"}, {"[z-a]", "a range of a class is out of order"},
    {"[a-\\d]", "a range of a class is out of order"}, {"a{3,2}", "a count is out of order"},
    {"a{1001}", "a count is too large"}, {"((a{99}){99}){99}", "the pattern is too large"},
    {"\\x4", "an escape lacks its hexadecimal digits"}, {"\\u{110000}", "a bad \\u{...}"},
    {"\\ud83d\\u0041", "a surrogate without its other half"}, {"\\01", "octal escapes are not supported"},
    {"(?<ab", "the name of a group lacks its >"}, {"\xff", "not UTF-8"},
};
/* clang-format on */

START_TEST(reads_a_pattern_as_ecma_does)
{
    ck_assert_msg(match(cases[_i].pattern, cases[_i].text) == cases[_i].fits, "/%s/ and '%s'",
                  cases[_i].pattern, cases[_i].text);
}
END_TEST

START_TEST(refuses_what_it_does_not_know_and_says_what)
{
    struct err err = {0};

    ck_assert_ptr_null(pattern_new(bad[_i].pattern, &err));
    ck_assert_int_eq(err.kind, ERR_INVALID);
    ck_assert_msg(strcmp(err.msg, bad[_i].why) == 0, "/%s/: %s", bad[_i].pattern, err.msg);
}
END_TEST

/* What takes a backtracking matcher 2^n steps. */
static const char *const evil[] = {"^(a+)+$",  "^(a|a)*$",           "^(a|aa)+$",
                                   "(x+x+)+y", "^(([a-z])+.)+[A-Z]", "^(a?){99}a{99}$",
                                   "(.*)*b"};

START_TEST(no_pattern_takes_long)
{
    static char text[20001];
    int64_t steps = 100000000, started = clock_mono_ms();
    struct err err = {0};
    struct pattern *p = pattern_new(evil[_i], &err);

    memset(text, _i == 3 ? 'x' : 'a', sizeof text - 1);
    text[sizeof text - 2] = '!';
    ck_assert_msg(p != NULL, "%s", err.msg);
    ck_assert(!pattern_matches(p, text, sizeof text - 1, &steps));
    ck_assert_int_gt(steps, 0);
    ck_assert_int_lt(clock_mono_ms() - started, 5000);
    steps = 100;
    ck_assert(!pattern_matches(p, text, sizeof text - 1, &steps));
    ck_assert_int_lt(steps, 0);
    pattern_free(p);
}
END_TEST

Suite *test_pattern(void);
Suite *test_pattern(void)
{
    Suite *s = suite_create("test_pattern");
    TCase *tc = tcase_create("patterns");

    tcase_add_loop_test(tc, reads_a_pattern_as_ecma_does, 0, (int)ARRAY_LEN(cases));
    tcase_add_loop_test(tc, refuses_what_it_does_not_know_and_says_what, 0, (int)ARRAY_LEN(bad));
    tcase_add_loop_test(tc, no_pattern_takes_long, 0, (int)ARRAY_LEN(evil));
    suite_add_tcase(s, tc);
    return s;
}
