#include <check.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/core/clock.h"
#include "common/core/log.h"

static int64_t fake_wall(void) { return 1795341378123; }
static const struct clock fake = {NULL, fake_wall};

/* stderr goes to this file while a test runs; each test has its own process or puts it back. */
static FILE *captured;
static int real_stderr;
static char head[64]; /* " program=t pid=N" */

static void capture(void)
{
    clock_now = &fake;
    unsetenv("JOURNAL_STREAM");
    captured = tmpfile();
    ck_assert_ptr_nonnull(captured);
    real_stderr = dup(STDERR_FILENO);
    ck_assert_int_ge(dup2(fileno(captured), STDERR_FILENO), 0);
    snprintf(head, sizeof head, " program=t pid=%d", (int)getpid());
    log_setup("t", LOG_INFO, LOG_LOGFMT);
}

static void release(void)
{
    static const char *const keys[] = {"worker", "slot", "queue", "tenant"};

    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    fclose(captured);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        log_context(keys[i], NULL);
    clock_now = &clock_system;
}

/* All that was logged since the last call. */
static const char *logged(void)
{
    static char text[65536];
    ssize_t n = pread(fileno(captured), text, sizeof text - 1, 0);

    ck_assert_int_ge(n, 0);
    text[n] = 0;
    ck_assert_int_eq(ftruncate(fileno(captured), 0), 0);
    ck_assert_int_eq(lseek(fileno(captured), 0, SEEK_SET), 0);
    return text;
}

static void expect_line(const char *level, const char *rest)
{
    char expected[PIPE_BUF];

    snprintf(expected, sizeof expected, "ts=2026-11-22T09:56:18.123Z level=%s%s event=%s\n", level,
             head, rest);
    ck_assert_str_eq(logged(), expected);
}

/* The line as a JSON object without the members that every line has. */
static json_t *logged_object(void)
{
    json_t *doc = json_loads(logged(), JSON_REJECT_DUPLICATES, NULL);

    ck_assert_ptr_nonnull(doc);
    ck_assert_str_eq(json_string_value(json_object_get(doc, "ts")), "2026-11-22T09:56:18.123Z");
    ck_assert_str_eq(json_string_value(json_object_get(doc, "program")), "t");
    ck_assert_int_eq(json_integer_value(json_object_get(doc, "pid")), getpid());
    json_object_del(doc, "ts");
    json_object_del(doc, "program");
    json_object_del(doc, "pid");
    return doc;
}

static void expect_object(const char *expected_text)
{
    json_t *expected = json_loads(expected_text, 0, NULL);
    json_t *doc = logged_object();

    ck_assert_ptr_nonnull(expected);
    if (!json_equal(doc, expected))
        ck_abort_msg("%s instead of %s", json_dumps(doc, JSON_COMPACT), expected_text);
    json_decref(doc);
    json_decref(expected);
}

START_TEST(writes_one_logfmt_line_per_event)
{
    log_event(LOG_WARN, "job.retry", "job=%s kind=%s wait_ms=%d", "j_81", "timeout", 4000);
    expect_line("warn", "job.retry job=j_81 kind=timeout wait_ms=4000");
    log_event(LOG_INFO, "worker.start", "");
    expect_line("info", "worker.start");
}
END_TEST

START_TEST(quoted_values_keep_the_line_one_line)
{
    log_event(LOG_INFO, "x.y", "msg=%s end=1", log_quote("two\nlines \"said\" \\ \x01\x7f"));
    expect_line("info", "x.y msg=\"two\\nlines \\\"said\\\" \\\\ \\u0001\\u007f\" end=1");
}
END_TEST

START_TEST(a_careless_value_cannot_forge_a_line)
{
    log_event(LOG_INFO, "x.y", "name=%s", "a\nts=1");
    expect_line("info", "x.y name=\"a\\nts=1\"");
    log_event(LOG_INFO, "x.y", "name=\"%s\"", "tab\there");
    expect_line("info", "x.y name=\"tab\\there\"");
}
END_TEST

START_TEST(levels_below_the_chosen_one_are_silent)
{
    log_event(LOG_DEBUG, "x.y", "a=1");
    ck_assert_str_eq(logged(), "");
    ck_assert(!log_is_on(LOG_DEBUG));
    log_setup("t", LOG_ERROR, LOG_LOGFMT);
    log_event(LOG_WARN, "x.y", "a=1");
    ck_assert_str_eq(logged(), "");
    log_event(LOG_ERROR, "x.y", "a=1");
    expect_line("error", "x.y a=1");
}
END_TEST

START_TEST(context_is_on_every_line_until_removed)
{
    log_context("worker", "w 3");
    log_context("slot", "7");
    log_event(LOG_INFO, "x.y", "a=1");
    expect_line("info", "x.y worker=\"w 3\" slot=7 a=1");
    log_context("worker", NULL);
    log_context("slot", "8");
    log_context("never", NULL);
    log_event(LOG_INFO, "x.y", "a=1");
    expect_line("info", "x.y slot=8 a=1");
}
END_TEST

START_TEST(four_context_pairs_fit)
{
    log_context("worker", "a");
    log_context("slot", "b");
    log_context("queue", "c");
    log_context("tenant", "d");
    log_context("queue", "e");
    log_event(LOG_INFO, "x.y", "");
    expect_line("info", "x.y worker=a slot=b queue=e tenant=d");
}
END_TEST

static const struct {
    const char *text, *members;
} json_rows[] = {
    {"job=j_81 kind=timeout", "\"job\":\"j_81\",\"kind\":\"timeout\""},
    {"wait_ms=4000 share=0.5 delta=-3 zero=0",
     "\"wait_ms\":4000,\"share\":0.5,\"delta\":-3,\"zero\":0"},
    {"ok=true bad=false other=truely", "\"ok\":true,\"bad\":false,\"other\":\"truely\""},
    {"id=007 big=1234567890123456 exp=1e5x",
     "\"id\":\"007\",\"big\":\"1234567890123456\",\"exp\":\"1e5x\""},
    {"n=\"42\"", "\"n\":\"42\""},
    {"msg=\"a b\" next=1", "\"msg\":\"a b\",\"next\":1"},
    {"msg=\"a \\\"b\\\" \\\\\" next=1", "\"msg\":\"a \\\"b\\\" \\\\\",\"next\":1"},
    {"msg=\"not closed", "\"msg\":\"not closed\""},
    {"msg=\"bad \\x escape\"", "\"msg\":\"bad \\\\x escape\""},
    {"msg=\"cut \\u12\"", "\"msg\":\"cut \\\\u12\""},
    {"msg=\"ends in \\", "\"msg\":\"ends in \\\\\""},
    {"empty= quoted=\"\"", "\"empty\":\"\",\"quoted\":\"\""},
    {"bare word=1", "\"bare\":true,\"word\":1"},
    {"  many   blanks=1  ", "\"many\":true,\"blanks\":1"},
    {"ke\"y=1", "\"ke_y\":1"},
    {"url=http://x/?a=b", "\"url\":\"http://x/?a=b\""},
    {"bytes=\xff\xfe", "\"bytes\":\"\\ufffd\\ufffd\""},
    {"euro=\u20ac", "\"euro\":\"\u20ac\""},
    {"", ""},
};

START_TEST(pairs_become_members_in_json)
{
    char expected[1024];

    log_setup("t", LOG_INFO, LOG_JSON);
    log_event(LOG_INFO, "x.y", "%s", json_rows[_i].text);
    snprintf(expected, sizeof expected, "{\"level\":\"info\",\"event\":\"x.y\"%s%s}",
             json_rows[_i].members[0] ? "," : "", json_rows[_i].members);
    expect_object(expected);
}
END_TEST

START_TEST(json_lines_have_the_context_too)
{
    log_setup("t", LOG_INFO, LOG_JSON);
    log_context("worker", "w\"3");
    log_event(LOG_ERROR, "x.y", "a=%s", log_quote("quo\"te"));
    expect_object(
        "{\"level\":\"error\",\"event\":\"x.y\",\"worker\":\"w\\\"3\",\"a\":\"quo\\\"te\"}");
}
END_TEST

START_TEST(an_err_is_logged_with_code_and_message)
{
    struct err err = {0};

    (void)err_set(&err, ERR_TIMEOUT, "no answer from '%s'", "host");
    log_err(LOG_WARN, "call.failed", &err);
    expect_line("warn", "call.failed code=timeout msg=\"no answer from 'host'\"");
}
END_TEST

/* Rows: what fills the long value.  Quotes and controls grow when escaped. */
static const char fillers[] = {'x', '"', '\x01', '\\', '\xc3', ' '};

START_TEST(long_lines_stay_whole_and_say_that_they_were_cut)
{
    char text[10000];
    const char *line;
    json_t *doc;

    memset(text, fillers[_i], sizeof text - 1);
    text[sizeof text - 1] = 0;
    log_setup("t", LOG_INFO, LOG_JSON);
    log_event(LOG_INFO, "x.y", "a=%s b=%s c=%s d=\"%s", log_quote(text), log_quote(text),
              log_quote(text), text);
    line = logged();
    ck_assert_uint_le(strlen(line), PIPE_BUF);
    ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
    doc = json_loads(line, 0, NULL);
    ck_assert_msg(doc != NULL, "not JSON: %s", line);
    ck_assert(json_is_true(json_object_get(doc, "cut")));
    json_decref(doc);
    log_setup("t", LOG_INFO, LOG_LOGFMT);
    log_event(LOG_INFO, "x.y", "a=%s b=%s c=%s d=\"%s", log_quote(text), log_quote(text),
              log_quote(text), text);
    line = logged();
    ck_assert_uint_le(strlen(line), PIPE_BUF);
    ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
    ck_assert_ptr_nonnull(strstr(line, " cut=true\n"));
}
END_TEST

/* The value grows sixfold when escaped and leaves no room for the pair behind it. */
START_TEST(pairs_without_room_are_left_out_and_missed)
{
    char text[1500];
    const char *line;

    memset(text, '\x01', sizeof text - 1);
    text[sizeof text - 1] = 0;
    log_event(LOG_INFO, "x.y", "a=%s last=1", text);
    line = logged();
    ck_assert_ptr_null(strstr(line, "last="));
    ck_assert_ptr_nonnull(strstr(line, "\\u0001...\" cut=true\n"));
}
END_TEST

/* Every length around the limit, byte by byte: \x01 takes six in the line, x one. */
START_TEST(lines_of_every_length_near_the_limit_are_whole)
{
    for (int n = 3700; n < PIPE_BUF; n++) {
        char text[1024] = "";
        const char *line;
        json_t *doc;

        memset(text, '\x01', (size_t)n / 6);
        memset(text + n / 6, 'x', (size_t)n % 6);
        log_setup("t", LOG_INFO, (enum log_format)_i);
        log_event(LOG_INFO, "x.y", "a=%s b=1 cc=\"2\" ddd", text);
        line = logged();
        ck_assert_uint_le(strlen(line), PIPE_BUF);
        ck_assert_int_eq(line[strlen(line) - 1], '\n');
        if (_i == LOG_LOGFMT)
            continue;
        doc = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        ck_assert_msg(doc != NULL, "%d: %s", n, line);
        json_decref(doc);
    }
}
END_TEST

START_TEST(a_journal_gets_priorities_and_no_time)
{
    struct stat st;
    char stream[64], expected[128];

    ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_setup("t", LOG_DEBUG, LOG_LOGFMT);
    log_event(LOG_DEBUG, "x.y", "a=1");
    snprintf(expected, sizeof expected, "<7>level=debug%s event=x.y a=1\n", head);
    ck_assert_str_eq(logged(), expected);
    log_setup("t", LOG_DEBUG, LOG_JSON);
    log_event(LOG_ERROR, "x.y", "a=1");
    snprintf(expected, sizeof expected,
             "<3>{\"level\":\"error\",\"program\":\"t\",\"pid\":%d,\"event\":\"x.y\",\"a\":1}\n",
             (int)getpid());
    ck_assert_str_eq(logged(), expected);
    setenv("JOURNAL_STREAM", "1:2", 1);
    log_setup("t", LOG_DEBUG, LOG_LOGFMT);
    log_event(LOG_INFO, "x.y", "a=1");
    expect_line("info", "x.y a=1");
}
END_TEST

START_TEST(errno_survives_a_log_line)
{
    int saved = dup(STDERR_FILENO);
    int after;

    close(STDERR_FILENO);
    errno = EAGAIN;
    log_event(LOG_INFO, "x.y", "a=1"); /* the write fails with EBADF */
    after = errno;
    dup2(saved, STDERR_FILENO);
    close(saved);
    ck_assert_int_eq(after, EAGAIN);
}
END_TEST

START_TEST(eight_quotes_live_at_once)
{
    const char *quotes[8];

    for (int i = 0; i < 8; i++)
        quotes[i] = log_quote_n("abcdefgh", (size_t)i + 1);
    ck_assert_str_eq(quotes[0], "\"a\"");
    ck_assert_str_eq(quotes[7], "\"abcdefgh\"");
    ck_assert_str_eq(log_quote(NULL), "\"\"");
}
END_TEST

START_TEST(a_long_quote_is_cut)
{
    char text[5000];
    const char *quoted;
    size_t n;

    memset(text, '\n', sizeof text - 1);
    text[sizeof text - 1] = 0;
    quoted = log_quote(text);
    n = strlen(quoted);
    ck_assert_uint_lt(n, 1024);
    ck_assert_uint_gt(n, 1000);
    ck_assert_str_eq(quoted + n - 6, "\\n...\"");
}
END_TEST

START_TEST(levels_have_names)
{
    bool ok;

    ck_assert_int_eq(log_level_of("error", &ok), LOG_ERROR);
    ck_assert(ok);
    ck_assert_int_eq(log_level_of("debug", &ok), LOG_DEBUG);
    ck_assert(ok);
    ck_assert_int_eq(log_level_of("loud", &ok), LOG_INFO);
    ck_assert(!ok);
}
END_TEST

Suite *test_log(void)
{
    Suite *s = suite_create("test_log");
    TCase *tc = tcase_create("log");

    tcase_add_checked_fixture(tc, capture, release);
    tcase_add_test(tc, writes_one_logfmt_line_per_event);
    tcase_add_test(tc, quoted_values_keep_the_line_one_line);
    tcase_add_test(tc, a_careless_value_cannot_forge_a_line);
    tcase_add_test(tc, levels_below_the_chosen_one_are_silent);
    tcase_add_test(tc, context_is_on_every_line_until_removed);
    tcase_add_test(tc, four_context_pairs_fit);
    tcase_add_loop_test(tc, pairs_become_members_in_json, 0, (int)ARRAY_LEN(json_rows));
    tcase_add_test(tc, json_lines_have_the_context_too);
    tcase_add_test(tc, an_err_is_logged_with_code_and_message);
    tcase_add_loop_test(tc, long_lines_stay_whole_and_say_that_they_were_cut, 0,
                        (int)ARRAY_LEN(fillers));
    tcase_add_test(tc, pairs_without_room_are_left_out_and_missed);
    tcase_add_loop_test(tc, lines_of_every_length_near_the_limit_are_whole, LOG_LOGFMT,
                        LOG_JSON + 1);
    tcase_add_test(tc, a_journal_gets_priorities_and_no_time);
    tcase_add_test(tc, errno_survives_a_log_line);
    tcase_add_test(tc, eight_quotes_live_at_once);
    tcase_add_test(tc, a_long_quote_is_cut);
    tcase_add_test(tc, levels_have_names);
    suite_add_tcase(s, tc);
    return s;
}
