/* fuzz_reply.c - a provider's answer, and a job's payload, from any bytes.
 *
 * The first two bytes choose task and status.  Whatever comes, a reply is read
 * within its bytes, its message is one line of UTF-8, and money is never
 * negative; a request that is built from valid JSON is valid JSON with a model.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/utf8.h"
#include "common/core/xalloc.h"
#include "common/model/tokens.h"
#include "worker/together/answer.h"
#include "worker/together/reply.h"
#include "worker/together/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "fuzz_reply: %s\n", what);
    abort();
}

static bool is_inside(struct span v, struct span body)
{
    return !v.n || (v.p >= body.p && v.p + v.n <= body.p + body.n);
}

static void check_reply(unsigned task, int status, struct span body)
{
    struct together_reply r;
    const char *end;

    together_reply_read(task, status, body, &r);
    must(r.kind != ERR_NONE || (status >= 200 && status <= 299), "a refusal is no answer");
    must(r.kind < ERR_KIND_COUNT && (r.kind == ERR_NONE || err_class(r.kind) != ERR_CLASS_NONE),
         "a kind that no call ends in");
    must(memchr(r.message, 0, sizeof(r.message)) &&
             memchr(r.provider_code, 0, sizeof(r.provider_code)),
         "a text without an end");
    must((r.kind == ERR_NONE) == !r.message[0], "a failure says why");
    end = r.message + strlen(r.message);
    for (const char *p = r.message; p < end;) {
        size_t len = utf8_len(p, end);

        must(len > 0 && (unsigned char)*p >= 0x20 && *p != 0x7f, "a message of more than one line");
        p += len;
    }
    must(is_inside(r.model, body) && is_inside(r.finish_reason, body), "a span outside");
    must(r.usage.prompt_tokens >= r.usage.cached_tokens && r.usage.cached_tokens >= 0 &&
             r.usage.completion_tokens >= 0,
         "usage");
}

static void check_answer(unsigned task, int status, struct span bytes)
{
    struct together_answer a;
    struct together_reply r;

    together_answer_read(task, status, bytes, &r, &a);
    must((r.kind == ERR_NONE) == (a.body.n > 0), "a good answer has a body, and no other");
    must(!a.body.n || json_valid(a.body.p, a.body.n), "the answer is not valid JSON");
    must((r.kind == ERR_NONE) == !r.message[0], "a failure says why");
    together_answer_done(&a);
}

static void check_request(struct span payload, const struct model_table *models)
{
    struct job job = {.payload = payload};
    struct together_request req;
    struct err err = {0};
    struct span name;

    if (!together_request_build(&job, models, &req, &err))
        return;
    must(req.path && req.model.n, "a request without path or model");
    must(json_valid(req.body.p, req.body.n), "the body is not valid JSON");
    name = json_at(buf_span(&req.body), "model");
    must(name.n && *name.p == '"', "the body has no model");
    must(together_request_write(&job, (struct span){"an/other", 8}, &req, &err),
         "no body for another model");
    must(json_valid(req.body.p, req.body.n), "the body for another model is not valid JSON");
    must(memmem(req.body.p, req.body.n, "an/other", 8), "it does not name that model");
    together_request_done(&req);
}

static void check_cost(const struct model_table *models, unsigned task, struct span body)
{
    struct usage none = {0};
    struct cost likely, most;

    for (size_t i = 0; i < models->count; i += 7) {
        const struct model *m = &models->rows[i];

        cost_of_answer(&likely, m, task, body, &none, (struct span){0});
        cost_of_lost(&most, m, task, body);
        must(likely.cost_nanousd >= 0 && most.estimate_nanousd >= 0, "money below 0");
        must(m->context || likely.cost_nanousd <= most.estimate_nanousd, "a low estimate");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const int statuses[] = {200, 400, 401, 402, 403, 404, 408, 413,
                                   422, 429, 500, 502, 503, 529, 302, 0};
    struct model_table models;
    struct span body;
    unsigned task;

    if (n < 2)
        return 0;
    CLEANUP(xfree_p) char *bytes = xmalloc(n - 1); /* exact but for one: never of no bytes */
    memcpy(bytes, data + 2, n - 2);
    body = (struct span){bytes, n - 2};
    task = 1U << data[0] % 6;
    model_table_builtin(&models);
    check_reply(task, statuses[data[1] % ARRAY_LEN(statuses)], body);
    check_answer(task, statuses[data[1] % ARRAY_LEN(statuses)], body);
    if (json_valid(bytes, n - 2)) {
        check_request(body, &models);
        check_cost(&models, task, body);
    }
    model_table_done(&models);
    return 0;
}
