#include <check.h>
#include <signal.h>

#include "worker/supervisor/slot.h"

/* waitpid's words. */
#define EXIT(code)    ((code) << 8)
#define KILLED(signo) (signo)

static const struct {
    int status;
    enum slot_state state;
    bool watchdog;
    struct slot_verdict want; /* without quick_exits and rest_ms */
} exits[] = {
    /* a drained process is done, one that left by itself is replaced */
    {EXIT(0), SLOT_DRAINING, false, {0}},
    {EXIT(0), SLOT_RUNNING, false, {.respawn = true}},
    /* a death leaves jobs behind, whatever the process was doing */
    {EXIT(1), SLOT_RUNNING, false, {.respawn = true, .take_over = true}},
    {EXIT(1), SLOT_DRAINING, false, {.respawn = true, .take_over = true}},
    {KILLED(SIGKILL), SLOT_DRAINING, false, {.respawn = true, .take_over = true}},
    /* from outside: nobody is blamed */
    {KILLED(SIGKILL), SLOT_RUNNING, false, {.respawn = true, .take_over = true}},
    {KILLED(SIGTERM), SLOT_RUNNING, false, {.respawn = true, .take_over = true}},
    /* its own doing */
    {KILLED(SIGSEGV), SLOT_RUNNING, false, {.respawn = true, .take_over = true, .blame = true}},
    {KILLED(SIGABRT), SLOT_RUNNING, false, {.respawn = true, .take_over = true, .blame = true}},
    {KILLED(SIGBUS) | 0x80,
     SLOT_RUNNING,
     false,
     {.respawn = true, .take_over = true, .blame = true}},
    {KILLED(SIGFPE), SLOT_RUNNING, false, {.respawn = true, .take_over = true, .blame = true}},
    {KILLED(SIGKILL), SLOT_RUNNING, true, {.respawn = true, .take_over = true, .blame = true}},
    /* nothing would change */
    {EXIT(78), SLOT_RUNNING, false, {.bad_config = true}},
};

START_TEST(an_exit_says_what_comes_next)
{
    const struct slot_exit e = {.status = exits[_i].status,
                                .state = exits[_i].state,
                                .watchdog = exits[_i].watchdog,
                                .ran_ms = SLOT_QUICK_MS};
    const struct slot_verdict v = slot_after_exit(&e);

    ck_assert_int_eq(v.respawn, exits[_i].want.respawn);
    ck_assert_int_eq(v.take_over, exits[_i].want.take_over);
    ck_assert_int_eq(v.blame, exits[_i].want.blame);
    ck_assert_int_eq(v.bad_config, exits[_i].want.bad_config);
    ck_assert_int_eq(v.quick_exits, 0);
    ck_assert_int_eq(v.rest_ms, 0);
}
END_TEST

START_TEST(quick_deaths_in_a_row_rest_longer_and_longer)
{
    static const int64_t want[] = {0, 0, 0, 1000, 2000, 4000, 8000, 16000, 30000, 30000};
    struct slot_exit e = {.status = KILLED(SIGKILL), .state = SLOT_RUNNING, .ran_ms = 10};
    struct slot_verdict v;

    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        v = slot_after_exit(&e);
        ck_assert_int_eq(v.rest_ms, want[i]);
        e.quick_exits = v.quick_exits;
    }
    e.quick_exits = 1000000;
    ck_assert_int_eq(slot_after_exit(&e).rest_ms, SLOT_REST_MAX_MS);
    e.ran_ms = SLOT_QUICK_MS; /* one that lived ends the row */
    v = slot_after_exit(&e);
    ck_assert_int_eq(v.quick_exits, 0);
    ck_assert_int_eq(v.rest_ms, 0);
}
END_TEST

START_TEST(exits_have_words)
{
    ck_assert_str_eq(slot_exit_text(EXIT(78)), "exit 78");
    ck_assert_str_eq(slot_exit_text(KILLED(SIGSEGV)), "signal 11 (SEGV)");
}
END_TEST

Suite *test_slot(void)
{
    Suite *s = suite_create("slot");
    TCase *tc = tcase_create("slot");

    tcase_add_loop_test(tc, an_exit_says_what_comes_next, 0, (int)ARRAY_LEN(exits));
    tcase_add_test(tc, quick_deaths_in_a_row_rest_longer_and_longer);
    tcase_add_test(tc, exits_have_words);
    suite_add_tcase(s, tc);
    return s;
}
