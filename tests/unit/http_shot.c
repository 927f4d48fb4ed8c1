#include "tests/unit/http_shot.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/io/loop.h"

static struct span keep(char *to, size_t room, struct span from)
{
    size_t n = from.n < room - 1 ? from.n : room - 1;

    if (n)
        memcpy(to, from.p, n);
    to[n] = 0;
    return (struct span){to, n};
}

void shot_done(void *arg, const struct http_reply *reply)
{
    struct shot *s = arg;

    s->reports++;
    s->reply = *reply;
    s->body_n = reply->body.n;
    s->reply.body = keep(s->body, sizeof s->body, reply->body);
    s->reply.headers = keep(s->head, sizeof s->head, reply->headers);
    snprintf(s->detail, sizeof s->detail, "%s", reply->detail);
    s->reply.detail = s->detail;
}

struct http_request shot_request(struct shot *s, const char *url)
{
    return (struct http_request){.method = "POST",
                                 .url = url,
                                 .timeout_ms = 30000,
                                 .connect_timeout_ms = 30000,
                                 .max_answer_bytes = 1 << 20,
                                 .plain_http_allowed = true,
                                 .on_done = shot_done,
                                 .arg = s};
}

void shot_wait(struct loop *l, const struct shot *s)
{
    int64_t until_ms = clock_mono_ms() + 40000;

    while (!s->reports) {
        ck_assert_msg(clock_mono_ms() < until_ms, "the call was not reported in 40 s");
        loop_turn(l, 100);
    }
}

void shot_fire(struct loop *l, struct http_client *c, struct shot *s, const struct http_request *r)
{
    *s = (struct shot){0};
    ck_assert_ptr_nonnull(http_send(c, r));
    ck_assert_int_eq(s->reports, 0);
    shot_wait(l, s);
}

const char *shot_url(const char *scheme, const char *host, int port, const char *path)
{
    static char urls[8][256];
    static unsigned next;
    char *url = urls[next++ % 8];

    snprintf(url, sizeof urls[0], "%s://%s:%d%s", scheme, host, port, path);
    return url;
}
