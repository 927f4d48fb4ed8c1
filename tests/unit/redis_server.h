/* redis_server.h - a private redis-server for one test.
 *
 * Listens on a unix socket in its own directory, saves nothing, and dies with
 * the process that started it.  Failures abort the test (ck_abort). */
#ifndef FLOTILLA_TESTS_REDIS_SERVER_H
#define FLOTILLA_TESTS_REDIS_SERVER_H

#include <sys/types.h>

struct redis_server {
    pid_t pid;
    int port; /* of redis_server_free_port, when the arguments use it */
    char dir[64];
    char socket[80];
    char url[96]; /* unix://... */
};

/* Make the directory; the server does not run yet. */
void redis_server_init(struct redis_server *s);
/* Run it with more arguments (NULL-terminated, or NULL) and wait until it answers. */
void redis_server_start(struct redis_server *s, const char *const *more);
void redis_server_signal(struct redis_server *s, int signo);
void redis_server_kill(struct redis_server *s); /* -9; start again at will */
void redis_server_done(struct redis_server *s); /* kill and remove the directory */
int redis_server_free_port(void);               /* a TCP port that nobody has now */

#endif
