/* http_shot.h - one HTTP call of a test and what became of it. */
#ifndef FLOTILLA_TEST_HTTP_SHOT_H
#define FLOTILLA_TEST_HTTP_SHOT_H

#include "common/io/http_client.h"

struct loop;
struct shot {
    int reports; /* calls of on_done; must end as 1 */
    struct http_reply reply;
    char body[512], head[1024], detail[256]; /* copies, cut; reply's spans point at them */
    size_t body_n;
};

/* on_done for a shot as arg. */
void shot_done(void *arg, const struct http_reply *reply);
/* A request to fill in: POST, plain HTTP allowed, 30 s, 1 MB. */
struct http_request shot_request(struct shot *s, const char *url);
/* Turns the loop until the shot was reported; fails the test after 40 s. */
void shot_wait(struct loop *l, const struct shot *s);
/* Send and wait. */
void shot_fire(struct loop *l, struct http_client *c, struct shot *s, const struct http_request *r);
/* "http://127.0.0.1:port/path"; static memory, eight at a time. */
const char *shot_url(const char *scheme, const char *host, int port, const char *path);

#endif
