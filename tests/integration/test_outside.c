/* test_outside.c - what comes from outside the programs, where people and other users meet it:
 * terminals and logs, files that are none, memory, secrets. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/look.h"

enum { ALL_MS = 60000 };

/* ---- terminals --------------------------------------------------------------- */
#define CSI  "\xc2\x9b"     /* U+009B */
#define OSC  "\xc2\x9d"     /* U+009D */
#define RLO  "\xe2\x80\xae" /* U+202E */
#define EVIL "\x1b]0;x\x07" CSI "2J" OSC "0;x" RLO "\xe2\x81\xa6\xe2\x80\x8b\xe2\x80\xa8\r"

/* Nothing in it acts on a terminal. */
static void check_visible(const char *text)
{
    static const char *const acts[] = {"\x1b", "\x07",         "\r",           CSI,           OSC,
                                       RLO,    "\xe2\x81\xa6", "\xe2\x80\x8b", "\xe2\x80\xa8"};

    for (size_t i = 0; i < ARRAY_LEN(acts); i++)
        ck_assert_msg(!strstr(text, acts[i]), "%d acts in: %s", (int)i, text);
}

/* Whoever may write to Redis can put this there; so can a provider by its words. */
static void put_evil(struct world *w)
{
    world_redis(w, "HSET fl:{0}:spend:20261201 %s 5", "model:evil" EVIL "|cost");
    world_redis(w, "HSET fl:{0}:paused %s 1", EVIL);
    world_redis(w, "HSET fl:{0}:routes %s %s", "x" EVIL "\ny", "{}");
    world_redis(w, "HSET fl:{0}:workers %s %s", EVIL "w",
                "{\"n\":1,\"host\":\"" CSI "\\u001b" RLO "\",\"group\":\"\\u009b\\n\"}");
}

static const char *const shown[][3] = {{"workers"}, {"costs"},   {"models"}, {"route", "list"},
                                       {"queues"},  {"budgets"}, {"doctor"}};

START_TEST(what_others_wrote_into_redis_does_nothing_to_a_terminal)
{
    struct world *w = world_new();

    put_evil(w);
    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        const char *args[5] = {shown[i][0], shown[i][1], NULL};
        struct cli text = world_cli_run(w, NULL, args), json;

        args[shown[i][1] ? 2 : 1] = "--json";
        json = world_cli_run(w, NULL, args);
        check_visible(text.out);
        check_visible(text.err);
        check_visible(json.out);
        for (char *line, *rest = json.out; (line = strsep(&rest, "\n"));)
            if (*line)
                (void)world_json(w, line);
    }
    world_free(w);
}
END_TEST

/* The value is the same value: only its writing differs. */
START_TEST(json_says_the_same_as_what_is_stored)
{
    struct world *w = world_new();
    struct cli c;

    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    world_push(w, "{'id':'a','type':'noop','payload':{'result':'" CSI RLO "x\xf0\x9f\x98\x80'}}");
    world_wait_results(w, 1, ALL_MS);
    c = world_cli(w, "wait", "a");
    check_visible(c.out);
    ck_assert_ptr_nonnull(strstr(c.out, "\\u009b\\u202ex\xf0\x9f\x98\x80"));
    ck_assert_str_eq(world_string_at(world_json(w, c.out), "output"), CSI RLO "x\xf0\x9f\x98\x80");
    world_free(w);
}
END_TEST

static struct program *start_tail(struct world *w, const char *stream, const char *json)
{
    const char *args[] = {"tail", stream, json, NULL};
    struct program *p = world_start(w, "flotilla", args, NULL);

    p->may_end = true;
    return p;
}

static size_t lines_of(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

START_TEST(tail_prints_one_line_for_each_entry)
{
    struct world *w = world_new();
    struct program *tails[2];

    world_redis(w, "XADD fl:{0}:alerts * code old doc {}");
    for (int i = 0; i < 2; i++)
        tails[i] = start_tail(w, "alerts", i ? "--json" : NULL);
    WAIT_UNTIL(w, ALL_MS, strstr(world_string(w, "CLIENT LIST"), "cmd=xread") != NULL);
    pause_ms(300); /* both */
    world_redis(w, "XADD fl:{0}:alerts * code %s doc %s", "bad" EVIL "\nfake",
                "{\"message\":\n\"" CSI RLO "\x1b\"}");
    world_redis(w, "XADD fl:{0}:alerts * code last doc {}");
    for (int i = 0; i < 2; i++) {
        char *out = program_out(tails[i]);

        while (!strstr(out, i ? "\n{}\n" : "last")) {
            pause_ms(20);
            free(out);
            out = program_out(tails[i]);
        }
        check_visible(out);
        ck_assert_ptr_null(strstr(out, "\nfake"));
        ck_assert_uint_eq(lines_of(out), i ? 2 : 3); /* a table has a header */
        free(out);
    }
    world_redis(w, "DEL fl:{0}:alerts"); /* they are no alerts of ours */
    world_free(w);
}
END_TEST

START_TEST(words_of_a_provider_do_nothing_to_a_log)
{
    struct world *w = world_new(.simulator = true);
    struct program *worker;
    char *log;

    world_sim_faults(w,
                     "{'path':'/v1/chat/completions','status':400,'body':{'error':{'message':'" CSI
                     "2J" RLO "evil','code':'" OSC "'}}}");
    world_start_scheduler(w);
    worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    world_push_questions(w, 1, NULL);
    world_wait_results(w, 1, ALL_MS);
    WAIT_UNTIL(w, ALL_MS, look_logged(worker, "event=job.failed ") == 1);
    log = program_err(worker);
    check_visible(log);
    ck_assert_ptr_nonnull(strstr(log, "\\u009b2J\\u202eevil"));
    free(log);
    check_visible(world_cli(w, "job", "q-0").out);
    check_visible(world_cli(w, "wait", "q-0").out);
    world_free(w);
}
END_TEST

/* ---- files ------------------------------------------------------------------- */
static const char *const programs[] = {"flotilla-scheduler", "flotilla-worker", "flotilla"};

static void check_refused(struct world *w, const char *const *args, const char *setting,
                          const char *what)
{
    const char *const settings[] = {setting, NULL};

    for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
        const char *all[5] = {args ? args[0] : "queues", args ? args[1] : NULL, NULL};
        struct program *p;
        char *err;

        if (args && i == 2)
            all[2] = "queues";
        if (!args && i < 2)
            all[0] = NULL;
        p = world_start(w, programs[i], all, settings);
        p->may_end = true;
        ck_assert_int_eq(program_wait(p, 10000), 78);
        err = program_err(p);
        ck_assert_msg(strstr(err, what) != NULL, "%s: %s", programs[i], err);
        free(err);
    }
}

START_TEST(a_pipe_instead_of_a_file_stops_nobody)
{
    static const char what[] = "expected a regular file; it is a pipe";
    struct world *w = world_new();
    const char *fifo = world_text(w, "%s/fifo", w->dir);

    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    check_refused(w, (const char *const[]){"-c", fifo}, NULL, what);
    check_refused(w, NULL, world_text(w, "FLOTILLA_CONFIG=%s", fifo), what);
    check_refused(w, NULL, world_text(w, "TOGETHER_API_KEY_FILE=%s", fifo), what);
    check_refused(w, NULL, world_text(w, "FLOTILLA_HTTP_TOKEN_FILE=%s", fifo), what);
    check_refused(w, NULL, "FLOTILLA_HTTP_TOKEN_FILE=/dev/zero", "it is a device");
    check_refused(w, NULL, "FLOTILLA_HTTP_TOKEN_FILE=/", "it is a directory");
    world_free(w);
}
END_TEST

/* ---- memory ------------------------------------------------------------------- */
static int64_t core_limit(struct world *w, pid_t pid)
{
    FILE *f = fopen(world_text(w, "/proc/%d/limits", (int)pid), "re");
    char line[256], soft[32] = "";

    ck_assert_ptr_nonnull(f);
    while (!*soft && fgets(line, sizeof line, f))
        (void)sscanf(line, "Max core file size %31s", soft);
    fclose(f);
    return strcmp(soft, "unlimited") == 0 ? INT64_MAX : strtoll(soft, NULL, 10);
}

/* A write to /dev/full is one to a full disk. */
static const struct {
    const char *to;
    int exit_code;
} outputs[] = {{"", 0}, {">/dev/full", 1}, {">&-", 1}, {"<&- >&- 2>&-", 1}, {"2>&-", 0}};

START_TEST(output_that_is_lost_is_a_failure)
{
    static const char *const texts[] = {"--help", "version", "models", "queues", "config check"};
    struct world *w = world_new();

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        for (size_t k = 0; k < ARRAY_LEN(outputs); k++) {
            char *script =
                world_text(w, "exec %s/flotilla %s %s", world_build_dir(), texts[i], outputs[k].to);
            struct program *p =
                world_start(w, "/bin/sh", (const char *const[]){"-c", script, NULL}, NULL);
            char *err;
            int status;

            p->may_end = true;
            status = program_wait(p, 15000);
            err = program_err(p);
            ck_assert_msg(status == outputs[k].exit_code, "%s: exit %d: %s", script, status, err);
            if (status && !strstr(outputs[k].to, "2>"))
                ck_assert_ptr_nonnull(strstr(err, "the output could not be written"));
            free(err);
        }
    world_free(w);
}
END_TEST

/* Without one, the log would go to whatever was opened first. */
START_TEST(a_closed_stream_is_no_other_file)
{
    static const char *const daemons[] = {"flotilla-scheduler", "flotilla-worker"};
    static const char *const readable[] = {"FLOTILLA_LOG_CORE_DUMPS=true", NULL}; /* its /proc */
    struct world *w = world_new();

    for (size_t i = 0; i < ARRAY_LEN(daemons); i++) {
        char *script = world_text(w, "exec %s/%s <&- >&- 2>&-", world_build_dir(), daemons[i]);
        struct program *p =
            world_start(w, "/bin/sh", (const char *const[]){"-c", script, NULL}, readable);

        WAIT_UNTIL(w, ALL_MS, world_int(w, i ? "HLEN fl:{0}:workers" : "EXISTS fl:{0}:lease") > 0);
        for (int fd = 0; fd <= 2; fd++) {
            char path[64], name[256] = "";

            snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)p->pid, fd);
            (void)!readlink(path, name, sizeof name - 1);
            ck_assert_str_eq(name, "/dev/null");
        }
        world_stop(w, p, 15000);
    }
    world_free(w);
}
END_TEST

START_TEST(no_program_leaves_a_core_unless_it_is_allowed)
{
    struct world *w = world_new();
    const char *setting = _i ? "FLOTILLA_LOG_CORE_DUMPS=true" : "FLOTILLA_LOG_CORE_DUMPS=false";
    struct rlimit r;
    struct program *worker, *scheduler;
    pid_t pids[3];

    ck_assert_int_eq(getrlimit(RLIMIT_CORE, &r), 0);
    r.rlim_cur = r.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_CORE, &r), 0);
    scheduler = world_start_scheduler(w, setting);
    worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1", setting);
    pids[0] = look_wait_workers(w, worker, 1)[0];
    pids[1] = worker->pid;
    pids[2] = scheduler->pid;
    for (size_t i = 0; i < ARRAY_LEN(pids); i++)
        ck_assert((core_limit(w, pids[i]) == 0) == (!_i || r.rlim_max == 0));
    world_free(w);
}
END_TEST

/* ---- secrets ------------------------------------------------------------------ */
#define KEY "tgp_v1_0123456789abcdefghijKLMNOP"

/* A provider that repeats the key: in words, as a code, in a page, and so that it is cut. */
static const struct {
    int status;
    const char *body;
} echoes[] = {
    {400, "{'error':{'message':'Invalid key: Bearer " KEY ".','code':'" KEY "'}}"},
    {422, "{'detail':'" KEY "'}"},
    {401, "{'error':{'message':'no such key: " KEY "','type':'invalid_api_key'}}"},
    {500, "'<html><title>" KEY "</title></html>'"},
};

static void check_no_key(const char *where, const char *text)
{
    ck_assert_msg(!strstr(text, "tgp_v1_01234"), "the key is in %s: %s", where, text);
}

/* Everything that is in Redis: documents, alerts, results, records. */
static void check_redis(struct world *w)
{
    redisReply *keys = world_redis(w, "KEYS *");
    size_t n = keys->elements;
    char **names = calloc(n + 1, sizeof *names);

    for (size_t i = 0; i < n; i++)
        names[i] = world_text(w, "%s", keys->element[i]->str);
    for (size_t i = 0; i < n; i++) {
        redisReply *dump = world_redis(w, "DUMP %s", names[i]);

        ck_assert_msg(!dump->str || !memmem(dump->str, dump->len, "tgp_v1_01234", 12),
                      "the key is in %s", names[i]);
    }
    free(names);
}

START_TEST(a_key_that_a_provider_repeats_stands_nowhere)
{
    struct world *w = world_new(.simulator = true);
    struct program *worker, *scheduler;
    char *log;

    world_redis(w, "CONFIG SET rdbcompression no"); /* for DUMP */
    world_sim_faults(w, "{'path':'/v1/chat/completions','status':%d,'body':%s,'times':1}",
                     echoes[_i].status, echoes[_i].body);
    scheduler = world_start_scheduler(w, "FLOTILLA_LOG_LEVEL=debug", "TOGETHER_API_KEY=" KEY);
    worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_LOG_LEVEL=debug",
                                "FLOTILLA_RETRY_MAX_ATTEMPTS=1", "TOGETHER_API_KEY=" KEY);
    world_push_questions(w, 1, "'max_attempts':1");
    if (echoes[_i].status == 401)
        WAIT_UNTIL(w, ALL_MS, world_has_alert(w, "bad_key"));
    else
        WAIT_UNTIL(w, ALL_MS, world_int(w, "XLEN fl:{0}:results") == 1);
    check_redis(w);
    log = program_err(worker);
    ck_assert_ptr_nonnull(strstr(log, "***"));
    check_no_key("the log", log);
    free(log);
    log = program_err(scheduler);
    check_no_key("the scheduler's log", log);
    free(log);
    check_no_key("job", world_cli(w, "job", "q-0").out);
    check_no_key("why", world_cli(w, "why", "q-0").out);
    world_free(w);
}
END_TEST

/* What the provider calls its model goes into results, and of cached answers into costs and sums. */
START_TEST(a_key_as_the_name_of_a_model_stands_nowhere)
{
    struct world *w = world_new(.simulator = true);

    world_redis(w, "CONFIG SET rdbcompression no");
    world_sim_faults(w,
                     "{'path':'/v1/embeddings','status':200,'times':1,'body':"
                     "{'object':'list','model':'" KEY "','data':[{'object':'embedding','index':0,"
                     "'embedding':[0.5]}],'usage':{'prompt_tokens':1,'total_tokens':1}}}");
    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1", "TOGETHER_API_KEY=" KEY);
    for (int i = 1; i <= 2; i++) {
        world_push(w, "{'id':'e%d','type':'inference','payload':{'task':'embedding','input':'x'}}",
                   i);
        world_wait_results(w, i, ALL_MS);
    }
    ck_assert_str_eq(world_string_at(world_result(w, "e1")->doc, "model"), "***");
    ck_assert(json_is_true(world_at(world_result(w, "e2")->doc, "cached")));
    check_no_key("costs", world_cli(w, "costs", "--json").out);
    check_no_key("the model of a result", world_string_at(world_result(w, "e2")->doc, "model"));
    world_free(w);
}
END_TEST

START_TEST(the_password_of_a_url_stands_in_no_message)
{
    static const char *const settings[] = {
        "TOGETHER_BASE_URL=http://user:PASSword-12@127.0.0.1:1/v1",
        "TOGETHER_BASE_URL=user:PASSword-12@127.0.0.1/v1",
        "TOGETHER_BASE_URL=https://PASSword-12@127.0.0.1/v1?x",
        "REDIS_URL=redis://:PASSword-12@127.0.0.1:x/0",
        "REDIS_URL=redis://user:PASSword-12@/0?PASSword-12@",
        "REDIS_URL=http://user:PASSword-12@127.0.0.1",
        "FLOTILLA_ALERTS_WEBHOOK_URL=ftp://user:PASSword-12@127.0.0.1/",
    };
    struct world *w = world_new();

    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        for (size_t k = 0; k < 4; k++) {
            const char *const args[] = {k == 3 ? "doctor" : k == 2 ? "queues" : NULL, NULL};
            const char *const list[] = {settings[i], NULL};
            struct program *p = world_start(w, programs[k < 3 ? k : 2], args, list);
            char *err, *out;

            p->may_end = true;
            ck_assert_int_ne(program_wait(p, 15000), 0);
            err = program_err(p);
            out = program_out(p);
            ck_assert_msg(!strstr(err, "PASS") && !strstr(out, "PASS"), "%s: %s%s", settings[i],
                          err, out);
            ck_assert(*err || *out);
            free(err);
            free(out);
        }
    world_free(w);
}
END_TEST

Suite *test_outside(void)
{
    Suite *s = suite_create("outside");
    TCase *tc = tcase_create("outside");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, what_others_wrote_into_redis_does_nothing_to_a_terminal);
    tcase_add_test(tc, json_says_the_same_as_what_is_stored);
    tcase_add_test(tc, tail_prints_one_line_for_each_entry);
    tcase_add_test(tc, words_of_a_provider_do_nothing_to_a_log);
    tcase_add_test(tc, a_pipe_instead_of_a_file_stops_nobody);
    tcase_add_test(tc, output_that_is_lost_is_a_failure);
    tcase_add_test(tc, a_closed_stream_is_no_other_file);
    tcase_add_loop_test(tc, no_program_leaves_a_core_unless_it_is_allowed, 0, 2);
    tcase_add_loop_test(tc, a_key_that_a_provider_repeats_stands_nowhere, 0,
                        (int)ARRAY_LEN(echoes));
    tcase_add_test(tc, a_key_as_the_name_of_a_model_stands_nowhere);
    tcase_add_test(tc, the_password_of_a_url_stands_in_no_message);
    suite_add_tcase(s, tc);
    return s;
}
