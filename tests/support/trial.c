/* trial.c - tests whose failure is what another test expects. */
#include "tests/support/trial.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int trial_run(struct world *w, bool simulator, void (*body)(struct world *))
{
    pid_t pid, redis = 0;
    int ends[2], status;

    ck_assert_int_eq(pipe(ends), 0);
    setenv("FLOTILLA_TEST_DIR", w->dir, 1);
    pid = fork();
    if (pid == 0) {
        struct world *inner = world_new(.simulator = simulator);

        if (write(ends[1], &inner->redis->pid, sizeof redis) < 0 ||
            !freopen("/dev/null", "w", stderr))
            _exit(99);
        body(inner);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(read(ends[0], &redis, sizeof redis), sizeof redis);
    WAIT_UNTIL(w, 5000, waitpid(redis, NULL, WNOHANG) != 0); /* this test is its subreaper */
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

redisContext *trial_connect(struct world *w)
{
    int ms = patience_ms(300);
    struct timeval limit = {ms / 1000, (ms % 1000) * 1000L};
    redisContext *c = redisConnectUnixWithTimeout(w->redis_url + strlen("unix://"), limit);

    ck_assert_ptr_nonnull(c);
    if (!c->err)
        redisSetTimeout(c, limit);
    return c;
}
