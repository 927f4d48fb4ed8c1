/* test_pattern.c - regular expressions as ECMA-262 reads them, and never for long. */
#include "common/schema/pattern.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/xalloc.h"

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

#define REPEAT "quantifier does not follow a repeatable item"
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
    /* where PCRE2 by itself would say something else */
    {"a$", "a\n", false}, {"^.$", "\r", false}, {"^.$", "\xe2\x80\xa8", false}, {"^.$", "\xe2\x80\xa9", false},
    {"^.$", "\xc2\x85", true}, {"^\\s$", "\xef\xbb\xbf", true}, {"^\\s$", "\xe1\xa0\x8e", false}, {"^\\s$", "\v", true},
    {"^\\S$", "\xef\xbb\xbf", false}, {"^\\S$", "\xe1\xa0\x8e", true}, {"^[\\S ]$", " ", true}, {"^[\\S ]$", "\t", false},
    {"^[^\\S ]$", "\t", true}, {"^[^\\S ]$", " ", false}, {"^[\\s\\S]$", "\n", true}, {"^[\\s]$", "\xe3\x80\x80", true},
    {"^\\S$", "\xf0\x9f\x98\x80", true}, {"^\\d$", "\xd9\xa3", false}, {"^\\w$", "\xc3\xa4", false},
    {"^\\W$", "\xc3\xa4", true}, {"a\\b", "a\xc3\xa4", true}, {"^\\v$", "\v", true}, {"^\\v$", "\n", false},
    {"^[\\b]$", "\b", true}, {"^\\cj$", "\n", true}, {"^\\x41$", "A", true}, {"^\\u0041$", "A", true},
    {"^\\u{41}$", "A", true}, {"^\\u{000041}$", "A", true}, {"^\\xe4$", "\xc3\xa4", true}, {"^[\\ud83d\\ude00-\\ud83d\\ude4f]$", "\xf0\x9f\x98\x81", true},
    {"[\\ud800-\\udfff]", "\xf0\x9f\x98\x80", false}, {"^\\ud83d\\u0041$", "A", false}, {"\\ud83d", "\xf0\x9f\x98\x80", false},
    {"^[[:alpha:]]$", "a]", true}, {"^[[:alpha:]]$", "b]", false}, {"^[[:alpha:]]$", ":]", true}, {"^[:alpha:]$", "p", true}, {"^[:alpha:]$", "b", false}, {"^[[.a.]$", ".", true},
    {"^[[=a=]$", "[", true}, {"[]a]", "a]", false}, {"^[^]a]$", "xa]", true}, {"^[\\d-z]$", "-", true}, {"^[\\d-z]$", "5", true},
    {"^[\\d-z]$", "z", true}, {"^[\\d-z]$", "a", false}, {"^[\\w-]$", "-", true}, {"^[\\s-]$", "-", true}, {"^[+--]$", ",", true},
    {"^[a&&b]+$", "a&b", true}, {"^[a-z--b]$", "b", true},
    {"^x{,3}$", "x{,3}", true}, {"^x{,3}$", "xx", false}, {"^x{ 1,2 }$", "x{ 1,2 }", true}, {"^x{ 1}$", "x", false},
    {"^x{1,2$", "x{1,2", true}, {"^x{a}$", "x{a}", true}, {"^}]$", "}]", true}, {"^{$", "{", true}, {"^a{01}$", "a", true},
    {"^#a b$", "#a b", true}, {"^a#b\n$", "a#b\n", true}, {"^\\_\\ \\#$", "_ #", true}, {"^()*$", "", true}, {"^(?:)$", "", true},
    {"^(?<a>x)(?<a>y)$", "xy", true}, {"^\\$\\^\\(\\)\\*\\+\\?\\.\\[\\]\\{\\}\\|\\\\$", "$^()*+?.[]{}|\\", true},
    {"(?<a-b>c)", "c", true}, {"^a|^b", "\nb", false}, {"^\\n^", "\n", false},
};

static const struct {
    const char *pattern, *why;
} bad[] = {
    {"a(?=b)", "look-around is not supported"}, {"(?<!a)b", "look-around is not supported"}, {"(?!a)b", "look-around is not supported"},
    {"(?<=a)b", "look-around is not supported"},
    {"(a)\\1", "back-references are not supported"}, {"\\p{L}", "\\p{...} is not supported"},
    {"\\q", "an unknown escape"}, {"[\\B]", "an unknown escape"}, {"\\\xc3\xa4", "an unknown escape"},
    {"\\", "\\ at end of pattern"}, {"[\\", "\\ at end of pattern"},
    {"*a", REPEAT}, {"a**", REPEAT}, {"a{2}{3}", REPEAT}, {"(*a)", REPEAT}, {"^*", REPEAT}, {"a|*", REPEAT},
    {"{2}", REPEAT}, {"\\b+", REPEAT}, {"(a", "missing closing parenthesis"},
    {"a)", "unmatched closing parenthesis"}, {"[a", "missing terminating ] for character class"},
    {"[z-a]", "range out of order in character class"}, {"[a-\\d]", "invalid range in character class"},
    {"[a-\\S]", "invalid range in character class"}, {"[a-\\s]", "invalid range in character class"},
    {"a{3,2}", "numbers out of order in {} quantifier"}, {"a{1001}", "a count is too large"},
    {"a{1,99999999999999999999}", "a count is too large"},
    {"((a{99}){99}){99}", "regular expression is too large"},
    {"\\x4", "an escape lacks its hexadecimal digits"}, {"\\u12", "an escape lacks its hexadecimal digits"},
    {"\\u{110000}", "character code point value in \\x{} or \\o{} is too large"},
    {"\\u{ffffffffff}", "a bad \\u{...}"}, {"\\u{12", "a bad \\u{...}"}, {"\\u{}", "an escape lacks its hexadecimal digits"},
    {"\\01", "octal escapes are not supported"}, {"(?<ab", "the name of a group lacks its >"},
    {"\xff", "UTF-8 error: illegal byte (0xfe or 0xff)"},
    /* what PCRE2 knows and ECMA-262 does not */
    {"a++", REPEAT}, {"a*+", REPEAT}, {"a?+", REPEAT}, {"a{2}+", REPEAT}, {"a+?+", REPEAT}, {"(*UTF)a", REPEAT},
    {"(*LIMIT_MATCH=9)a", REPEAT}, {"(?i)a", "an unknown kind of group"}, {"(?>a)", "an unknown kind of group"},
    {"(?|a)", "an unknown kind of group"}, {"(?P<n>a)", "an unknown kind of group"},
    {"(?#x)", "an unknown kind of group"}, {"(?R)", "an unknown kind of group"},
    {"(?C)", "an unknown kind of group"}, {"(?", "an unknown kind of group"},
    {"\\A", "an unknown escape"}, {"\\Z", "an unknown escape"}, {"\\z", "an unknown escape"}, {"\\G", "an unknown escape"},
    {"\\Qa\\E", "an unknown escape"}, {"\\K", "an unknown escape"}, {"\\h", "an unknown escape"}, {"\\R", "an unknown escape"},
    {"\\X", "an unknown escape"}, {"\\N", "an unknown escape"}, {"\\C", "an unknown escape"}, {"\\e", "an unknown escape"},
    {"\\a", "an unknown escape"}, {"\\o{7}", "an unknown escape"}, {"\\g1", "an unknown escape"}, {"\\k<a>", "an unknown escape"},
    {"\\c1", "an unknown escape"}, {"\\c", "an unknown escape"},
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

/* What takes a backtracking matcher 2^n steps, or n * n. */
static const char *const evil[] = {
    "^(a+)+$",         "^(a|a)*$", "^(a|aa)+$", "(x+x+)+y",        "^(([a-z])+.)+[A-Z]",
    "^(a?){99}a{99}$", "(.*)*b",   "a*[bc]",    "(a{500}){2}[bc]", "(||||||a)*[bc]"};

START_TEST(no_pattern_takes_long)
{
    static char text[100001];
    int64_t steps = 1000000, started = clock_mono_ms();
    struct err err = {0};
    struct pattern *p = pattern_new(evil[_i], &err);

    memset(text, _i == 3 ? 'x' : 'a', sizeof text - 1);
    text[sizeof text - 2] = '!';
    ck_assert_msg(p != NULL, "%s", err.msg);
    ck_assert(!pattern_matches(p, text, sizeof text - 1, &steps));
    ck_assert_int_lt(clock_mono_ms() - started, 2000);
    steps = 100;
    ck_assert(!pattern_matches(p, text, sizeof text - 1, &steps));
    ck_assert_int_lt(steps, 0);
    pattern_free(p);
}
END_TEST

/* A match that would need more than it may is no match, and says so. */
START_TEST(memory_of_a_match_has_a_bound)
{
    size_t n = 20 << 20;
    char *text = xmalloc(n);
    int64_t steps = INT64_MAX;
    struct err err = {0};
    struct pattern *p = pattern_new("^(?:a|b)+$", &err);

    memset(text, 'a', n);
    ck_assert(p != NULL);
    ck_assert(!pattern_matches(p, text, n, &steps));
    ck_assert_int_lt(steps, 0);
    steps = INT64_MAX;
    ck_assert(pattern_matches(p, text, 1000, &steps));
    ck_assert_int_gt(steps, 0);
    pattern_free(p);
    free(text);
}
END_TEST

START_TEST(text_that_is_not_utf8_never_matches)
{
    int64_t steps = 1000;
    struct err err = {0};
    struct pattern *p = pattern_new(".", &err);

    ck_assert(p != NULL);
    ck_assert(!pattern_matches(p, "\xff", 1, &steps));
    ck_assert_int_lt(steps, 0);
    pattern_free(p);
}
END_TEST

START_TEST(groups_nest_up_to_a_limit)
{
    char text[2 * 101 + 1];
    struct err err = {0};
    struct pattern *p;

    for (int depth = 100; depth <= 101; depth++) {
        memset(text, '(', (size_t)depth);
        memset(text + depth, ')', (size_t)depth);
        text[2 * depth] = '\0';
        p = pattern_new(text, &err);
        ck_assert((p != NULL) == (depth == 100));
        pattern_free(p);
    }
    ck_assert_str_eq(err.msg, "parentheses are too deeply nested");
}
END_TEST

/* Compiling has a bound as well: patterns as long as a schema may be. */
START_TEST(no_pattern_compiles_long)
{
    static const char *const pieces[] = {
        "a?", "[a-z]*", "(a|b)?", "(?:", "[\\S\\s]", "(a{9}){9}", "a{1000}"};
    struct err err = {0};
    int64_t started = clock_mono_ms();
    static char text[65536];
    size_t n = 0, len = strlen(pieces[_i]);
    struct pattern *p;

    for (; n + len < sizeof text; n += len)
        memcpy(text + n, pieces[_i], len);
    text[n] = '\0';
    p = pattern_new(text, &err);
    ck_assert_int_lt(clock_mono_ms() - started, 1000);
    ck_assert_uint_le(pattern_bytes(p), 70000);
    ck_assert(p != NULL || err.msg[0]);
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
    tcase_add_loop_test(tc, no_pattern_compiles_long, 0, 7);
    tcase_add_test(tc, memory_of_a_match_has_a_bound);
    tcase_add_test(tc, text_that_is_not_utf8_never_matches);
    tcase_add_test(tc, groups_nest_up_to_a_limit);
    suite_add_tcase(s, tc);
    return s;
}
