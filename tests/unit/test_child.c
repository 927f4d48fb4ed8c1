/* test_child.c - a process's side of its supervisor: each case is a process of its own, with the
 * line and the page where the supervisor puts them. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io/loop.h"
#include "worker/child.h"

enum { LINE_FD = 3, PAGE_FD = 4, TURNS = 5 };

static char told[16]; /* 'o' orphaned, 'd' drain, 'n' now */

static void on_stop(void *arg, enum child_stop why)
{
    (void)arg;
    told[strlen(told)] = child_stop_text(why)[0]; /* at most one per act */
}

static void turn(struct loop *l)
{
    for (int i = 0; i < TURNS; i++)
        loop_turn(l, 10);
}

/* What a supervisor does: 't' TERM, 'd' "drain", 'n' "now", 'e' its death (end of file). */
static void act(char what, int end)
{
    switch (what) {
    case 't': raise(SIGTERM); break;
    case 'd': (void)!write(end, "drain\n", 6); break;
    case 'n': (void)!write(end, "now\n", 4); break;
    case 'e': shutdown(end, SHUT_RDWR); break;
    default: break;
    }
}

static const struct {
    bool alone;
    const char *acts, *want;
} stops[] = {
    {true, "t", "d"},
    {true, "tt", "dn"},
    {false, "t", "d"},
    {false, "d", "d"},
    {false, "n", "n"},
    {false, "dn", "dn"},
    {false, "dd", "d"},
    /* one wish, told twice: the group's signal and the line, in either order */
    {false, "td", "d"},
    {false, "dt", "d"},
    {false, "tt", "d"},
    {false, "tdn", "dn"},
    /* the supervisor's death; afterwards two signals are two wishes */
    {false, "e", "o"},
    {false, "et", "od"},
    {false, "ett", "odn"},
    {false, "te", "d"},
    {false, "tet", "d"},
    {false, "tett", "dn"},
    {false, "de", "d"},
    {false, "ne", "n"},
};

NORETURN static void be_child(size_t i, int ends[2], int page)
{
    const struct child_options o = {.group = "default", .alone = stops[i].alone};
    int end = fcntl(ends[0], F_DUPFD, 10), line = fcntl(ends[1], F_DUPFD, 10);
    int high_page = fcntl(page, F_DUPFD, 10);
    struct loop *l;
    struct child *c;

    dup2(line, LINE_FD);
    dup2(high_page, PAGE_FD);
    close(line);
    dup2(open("/dev/null", O_WRONLY), STDERR_FILENO); /* the log */
    l = loop_new();
    c = child_new(l, &o);
    child_on_stop(c, on_stop, NULL);
    for (const char *a = stops[i].acts; *a; a++) {
        act(*a, end);
        turn(l);
    }
    child_enter_job(c, "a-job");
    child_beat(c);
    child_tell_id(c, "host-12345678");
    _exit(strcmp(told, stops[i].want) == 0 ? 0 : 1 + (int)strlen(told));
}

START_TEST(what_a_process_is_told_to_do)
{
    int ends[2], status, page = memfd_create("page", 0);
    struct child_page *shared;
    pid_t pid;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ck_assert_int_eq(ftruncate(page, sizeof *shared), 0);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
    pid = fork();
    if (pid == 0)
        be_child((size_t)_i, ends, page);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(status == 0, "%s: status %d, want %s", stops[_i].acts, status, stops[_i].want);
    if (!stops[_i].alone) { /* what the supervisor finds when it is dead */
        ck_assert_str_eq(shared->worker, "host-12345678");
        ck_assert_str_eq(shared->job, "a-job");
        ck_assert_uint_eq(atomic_load(&shared->beats), 1);
    }
}
END_TEST

Suite *test_child(void)
{
    Suite *s = suite_create("child");
    TCase *tc = tcase_create("child");

    tcase_add_loop_test(tc, what_a_process_is_told_to_do, 0, (int)ARRAY_LEN(stops));
    suite_add_tcase(s, tc);
    return s;
}
