/* fake_http.h - a scripted HTTP server in a child process, for tests.
 *
 * The path of a request names the script that answers it (see fake_http.c);
 * what arrived is counted in memory shared with the test.
 */
#ifndef FLOTILLA_TEST_FAKE_HTTP_H
#define FLOTILLA_TEST_FAKE_HTTP_H

#include <stdatomic.h>
#include <sys/types.h>

enum { FAKE_HTTP_IDS = 4096 };

struct fake_http_seen {
    atomic_int connections, heads, bodies; /* a body counts when it arrived whole */
    atomic_int by_id[FAKE_HTTP_IDS];       /* whole bodies of the form "id=N" */
};
struct fake_http {
    pid_t pid;
    int port;
    struct fake_http_seen *seen;
};

/* cert and key: PEM files, or NULL for plain HTTP. */
void fake_http_start(struct fake_http *s, const char *cert, const char *key);
void fake_http_stop(struct fake_http *s);

#endif
