#include <check.h>
#include <string.h>

#include "worker/webhook/signature.h"

/* The example of the Standard Webhooks libraries. */
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID     "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define AT_S   1614265330
static const struct span body = {"{\"test\": 2432232314}", 20};
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

START_TEST(signs_as_other_implementations_do)
{
    struct buf out = BUF(1024);

    ck_assert(signature_add(&out, SECRET, ID, AT_S, body));
    ck_assert_str_eq(out.p, SIGNATURE);
    buf_done(&out);
}
END_TEST

START_TEST(two_secrets_give_two_signatures)
{
    struct buf out = BUF(1024);

    ck_assert(signature_add(&out, SECRET, ID, AT_S, body));
    ck_assert(signature_add(&out, "whsec_c2Vjb25k", ID, AT_S, body));
    ck_assert_int_eq(strncmp(out.p, SIGNATURE " v1,", strlen(SIGNATURE " v1,")), 0);
    ck_assert_uint_eq(out.n, 2 * strlen(SIGNATURE) + 1);
    buf_done(&out);
}
END_TEST

/* Id, time and body are all in it. */
START_TEST(any_change_changes_the_signature)
{
    const struct {
        const char *id;
        int64_t at_s;
        struct span body;
    } other[] = {{"msg_other", AT_S, body}, {ID, AT_S + 1, body}, {ID, AT_S, {"{}", 2}}};

    for (size_t i = 0; i < ARRAY_LEN(other); i++) {
        struct buf out = BUF(1024);

        ck_assert(signature_add(&out, SECRET, other[i].id, other[i].at_s, other[i].body));
        ck_assert_str_ne(out.p, SIGNATURE);
        buf_done(&out);
    }
}
END_TEST

static const char *const no_secrets[] = {
    "", "secret", "whsec_", "whsec_abc", "whsec_!!!!", "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"};

START_TEST(refuses_what_is_no_secret)
{
    struct buf out = BUF(1024);

    ck_assert(!signature_add(&out, no_secrets[_i], ID, AT_S, body));
    ck_assert_uint_eq(out.n, 0);
    buf_done(&out);
}
END_TEST

Suite *test_signature(void)
{
    Suite *s = suite_create("signature");
    TCase *tc = tcase_create("signature");

    tcase_add_test(tc, signs_as_other_implementations_do);
    tcase_add_test(tc, two_secrets_give_two_signatures);
    tcase_add_test(tc, any_change_changes_the_signature);
    tcase_add_loop_test(tc, refuses_what_is_no_secret, 0, (int)ARRAY_LEN(no_secrets));
    suite_add_tcase(s, tc);
    return s;
}
