/* reply.c - what came back: a good answer, or which kind of failure.
 *
 *   2xx ─▶ an object? ─▶ no `error`? ─▶ what its task must have? ─▶ usage, model, finish_reason
 *            │ no           │ yes          │ no
 *            ▼              │              ▼
 *        BAD_ANSWER         │          BAD_ANSWER
 *                           ▼
 *   other ───────────▶ refusal.c
 *
 * An answer is read tolerantly: numbers may be noisy floats, members may be missing or null, and
 * what is not needed (seeds that fit no integer type) is skipped.
 */
#include "worker/together/reply.h"

#include <stdio.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/secret.h"
#include "worker/together/usage.h"

/* The array that an answer must have. */
/* clang-format off */
static const struct {
    unsigned tasks;
    const char *member;
    bool may_be_empty;
} answers[] = {
    {TASK_CHAT | TASK_COMPLETION | TASK_CODE, "choices", false},
    {TASK_EMBEDDING | TASK_IMAGE,             "data",    false},
    {TASK_RERANK,                             "results", true},
};
/* clang-format on */

static int64_t count_elements(struct span v)
{
    struct json_iter it;
    int64_t n = 0;

    if (!v.n || *v.p != '[' || !json_iter_init(&it, v.p, v.n))
        return -1;
    while (json_next(&it))
        n++;
    return n;
}

static void bad_answer(struct together_reply *r, const char *why, const char *what)
{
    r->kind = ERR_BAD_ANSWER;
    snprintf(r->message, sizeof(r->message), "the answer%s %s", why, what);
}

/* Each choice is an object, perhaps with an error of its own. */
static void read_choices(struct span choices, struct together_reply *ret)
{
    struct span first = {0};
    struct json_iter it;

    if (!json_iter_init(&it, choices.p, choices.n))
        return;
    while (ret->kind == ERR_NONE && json_next(&it)) {
        struct span finish = {0}, error = {0};
        const struct json_want wants[] = {{"finish_reason", &finish}, {"error", &error}};

        if (!json_pick(it.value.p, it.value.n, wants, ARRAY_LEN(wants)))
            bad_answer(ret, first.p ? "'s choices hold" : "'s first choice is", "no object");
        else if (together_is_error(error))
            together_error_read(200, error, ret);
        else if (!first.p)
            ret->finish_reason = json_unquoted(finish);
        first = it.value;
    }
}

/* Some gateways escape every slash.  The name goes into results, costs and sums, which are kept and
 * passed on. */
static void read_model(struct span v, struct together_reply *ret)
{
    if (!json_read_text(v, ret->model_text, sizeof(ret->model_text)))
        return;
    secret_hide_text(ret->model_text);
    ret->model = (struct span){ret->model_text, strlen(ret->model_text)};
}

/* What is wrong with an answer: an error beside it or in it, or nothing in it. */
static void judge(unsigned task, struct span body, struct span list, struct span error, size_t row,
                  struct together_reply *ret)
{
    int64_t count = count_elements(list);

    if (together_is_error(error))
        together_refusal_read(200, body, ret);
    else if (count < 0 || (count == 0 && !answers[row].may_be_empty))
        bad_answer(ret, " has no", answers[row].member);
    else if (row == 0)
        read_choices(list, ret);
    else if (task & TASK_IMAGE)
        ret->usage.images = count;
}

static void read_answer(unsigned task, struct span body, struct together_reply *ret)
{
    struct span list = {0}, usage = {0}, model = {0}, error = {0};
    size_t row = 0;

    while (row + 1 < ARRAY_LEN(answers) && !(answers[row].tasks & task))
        row++;
    const struct json_want wants[] = {
        {answers[row].member, &list}, {"usage", &usage}, {"model", &model}, {"error", &error}};
    if (!body.n || !json_pick_within(body, JSON_ANSWER_DEPTH, wants, ARRAY_LEN(wants))) {
        bool deep = body.n && json_pick(body.p, body.n, wants, ARRAY_LEN(wants));

        bad_answer(ret, " is", deep ? "nested too deep" : body.n ? "no JSON object" : "empty");
        return;
    }
    judge(task, body, list, error, row, ret);
    read_model(model, ret);
    together_usage_read(task, usage, &ret->usage);
}

void together_reply_read(unsigned task, int http_status, struct span body,
                         struct together_reply *ret)
{
    *ret = (struct together_reply){0};
    if (http_status >= 200 && http_status <= 299) {
        read_answer(task, body, ret);
    } else {
        together_refusal_read(http_status, body, ret);
        together_usage_read(task, json_at(body, "usage"), &ret->usage);
    }
}
