/* test_secret.c - configured secrets stand in no text, whole, cut or encoded. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/err.h"
#include "common/core/log.h"
#include "common/core/secret.h"

#define KEY "tgp_v1_0123456789abcdefXYZ"

static void add_all(void)
{
    secret_add(KEY);
    secret_add("pw12");
    secret_add("abc"); /* too short */
    secret_add("");
    secret_add(NULL);
    secret_add_url("rediss://:p%2Fss%20word@redis.internal:6379/0", false);
    secret_add_url("http://user:open@sesame@host/v1", false);
    secret_add_url("https://token-only-12@host/v1", false);
    secret_add_url("unix:///run/a-directory-of-redis@x/redis.sock", false);
    secret_add_url("https://host/a-path-that-is-no-secret/v1", false);
    secret_add_url("https://hooks.slack.com/services/T0000/B0000/XXXXXXXXXXXXXXXXXXXXXXXX", true);
    secret_add_url("https://h/x?sig=ABCDEFGHIJKLMNOP&short=1", true);
}

/* clang-format off */
static const struct {
    const char *text, *want;
} rows[] = {
    {"", ""},
    {"nothing to hide", "nothing to hide"},
    {KEY, "***"},
    {"key " KEY " is bad, " KEY "!", "key *** is bad, ***!"},
    {KEY KEY, "******"},
    {"Incorrect API key: tgp_v1_0***********fXYZ", "Incorrect API key: tgp_v1_0***********fXYZ"},
    {"cut: tgp_v1_01234567...", "cut: ***..."},
    {"cut: tgp_v1_01234", "cut: ***"},
    {"too little: tgp_v1_0123", "too little: tgp_v1_0123"},
    {"...789abcdefXYZ: its end", "...***: its end"},
    {"Bearer " KEY, "Bearer ***"},
    {"short: pw12, pw1", "short: ***, pw1"},
    {"abc", "abc"},
    {"AUTH p/ss word p%2Fss%20word", "AUTH *** ***"},
    {"redis.internal:6379", "redis.internal:6379"},
    {"http://user:open@sesame@host/v1", "http://user:***@host/v1"},
    {"token-only-12", "***"},
    {"https://hooks.slack.com/services/T0000/B0000/XXXXXXXXXXXXXXXXXXXXXXXX: 404", "https://hooks.slack.com/services/T0000/B0000/***: 404"},
    {"/run/a-directory-of-redis@x /a-path-that-is-no-secret/v1", "/run/a-directory-of-redis@x /a-path-that-is-no-secret/v1"},
    {"https://h/x?sig=ABCDEFGHIJKLMNOP&short=1", "https://h/x?sig=***&short=1"},
};
/* clang-format on */

START_TEST(secrets_are_hidden_whole_cut_and_encoded)
{
    char text[512];
    size_t n = strlen(rows[_i].text);

    add_all();
    memcpy(text, rows[_i].text, n + 1);
    text[secret_hide(text, n)] = '\0';
    ck_assert_str_eq(text, rows[_i].want);
}
END_TEST

START_TEST(no_message_and_no_log_has_a_secret)
{
    struct err err = {0};
    char longer[1024];

    add_all();
    err_set(&err, ERR_BAD_KEY, "the provider says: %s", KEY);
    ck_assert_str_eq(err.msg, "the provider says: ***");
    err_wrap(&err, "%s", KEY);
    ck_assert_str_eq(err.msg, "***: the provider says: ***");
    ck_assert_str_eq(log_quote("is " KEY "?"), "\"is ***?\"");
    for (size_t before = 470; before < 520; before++) { /* cut anywhere */
        memset(longer, '.', before);
        snprintf(longer + before, sizeof longer - before, "%s and more", KEY);
        err_set(&err, ERR_BAD_KEY, "%s", longer);
        ck_assert_ptr_null(strstr(err.msg, "tgp_v1_01234"));
    }
    for (size_t before = 990; before < sizeof longer - 30; before++) {
        memset(longer, '.', before);
        snprintf(longer + before, sizeof longer - before, "%s", KEY);
        ck_assert_ptr_null(strstr(log_quote(longer), "tgp_v1_01234"));
    }
}
END_TEST

START_TEST(the_table_has_a_bound)
{
    char text[64];

    for (int i = 0; i < 3 * SECRETS_MAX; i++) {
        snprintf(text, sizeof text, "%08d-secret-number", i);
        secret_add(text);
        secret_add(text);
    }
    secret_hide_text(text);
    ck_assert_str_eq(text, "***");
}
END_TEST

Suite *test_secret(void)
{
    Suite *s = suite_create("secret");
    TCase *tc = tcase_create("secret");

    tcase_add_loop_test(tc, secrets_are_hidden_whole_cut_and_encoded, 0, (int)ARRAY_LEN(rows));
    tcase_add_test(tc, no_message_and_no_log_has_a_secret);
    tcase_add_test(tc, the_table_has_a_bound);
    suite_add_tcase(s, tc);
    return s;
}
