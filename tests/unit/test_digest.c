#include <check.h>

#include "common/core/digest.h"

START_TEST(is_the_beginning_of_sha256)
{
    static const struct {
        struct span in;
        const char *out;
    } rows[] = {
        {{"", 0}, "e3b0c44298fc1c14"},
        {{NULL, 0}, "e3b0c44298fc1c14"},
        {{"abc", 3}, "ba7816bf8f01cfea"},
    };
    char text[DIGEST_TEXT];

    for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
        digest_text(rows[i % ARRAY_LEN(rows)].in, text);
        ck_assert_str_eq(text, rows[i % ARRAY_LEN(rows)].out);
    }
}
END_TEST

Suite *test_digest(void)
{
    Suite *s = suite_create("digest");
    TCase *tc = tcase_create("digest");

    tcase_add_test(tc, is_the_beginning_of_sha256);
    suite_add_tcase(s, tc);
    return s;
}
