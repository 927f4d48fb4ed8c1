/* sim_scene.c - see sim_scene.h. */
#include "tests/unit/sim_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim sim;
struct sim_call call;

void sim_scene_open(void)
{
    struct err err = {0};

    sim = (struct sim){.port = 80};
    ck_assert(sim_init(&sim, 0, &err));
    sim_call_init(&call, &sim);
}

void sim_scene_close(void)
{
    sim_call_done(&call);
    sim_done(&sim);
}

struct span sim_request(const char *method, const char *path, const char *headers, const char *body)
{
    static char *text;
    size_t n = strlen(body);
    int len;

    free(text);
    len = asprintf(&text, "%s %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n%s", method,
                   path, headers, n, body);
    sim_http_init(&call.http);
    ck_assert_int_eq(sim_http_parse(&call.http, text, (size_t)len), SIM_HTTP_DONE);
    sim_call_run(&call, text);
    sim_call_end(&call, true);
    return buf_span(&call.reply.body);
}

struct span sim_post(const char *path, const char *body)
{
    return sim_request("POST", path, "", body);
}

int64_t number_at(struct span doc, const char *path)
{
    int64_t v = -1;

    ck_assert_msg(json_read_int(json_at(doc, path), &v), "no %s in %.*s", path, (int)doc.n, doc.p);
    return v;
}

void check_text_at(struct span doc, const char *path, const char *text)
{
    ck_assert_msg(json_equals(json_at(doc, path), text), "%s is not %s in %.*s", path, text,
                  (int)doc.n, doc.p);
}
