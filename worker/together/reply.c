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

/* No model has such a context: more is no usage, and would use up budgets. */
static const double TOKENS_MAX = MODEL_CONTEXT_MAX;

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

/* A count of tokens: an integer, or a float that means one. */
static bool read_count(struct span v, int64_t *ret)
{
    double d;

    if (!json_read_int(v, ret)) {
        if (!json_read_double(v, &d) || !(d >= 0 && d < TOKENS_MAX))
            return false;
        *ret = (int64_t)(d + 0.5);
    }
    return *ret >= 0 && *ret < (int64_t)TOKENS_MAX;
}

static void read_usage(unsigned task, struct span v, struct usage *u)
{
    struct span prompt = {0}, completion = {0}, total = {0}, cached = {0}, details = {0};
    const struct json_want wants[] = {{"prompt_tokens", &prompt},
                                      {"completion_tokens", &completion},
                                      {"total_tokens", &total},
                                      {"cached_tokens", &cached},
                                      {"prompt_tokens_details", &details}};
    bool prompt_only = task & (TASK_EMBEDDING | TASK_RERANK);
    bool has_prompt, has_completion, has_total;
    int64_t p = 0, c = 0, t = 0, n = 0;

    if (!v.p || !json_pick(v.p, v.n, wants, ARRAY_LEN(wants)))
        return;
    has_prompt = read_count(prompt, &p);
    has_completion = read_count(completion, &c);
    has_total = read_count(total, &t);
    if (!has_completion && has_prompt && has_total && t >= p)
        has_completion = true, c = t - p;
    if (!has_prompt && has_total && (has_completion || prompt_only) && t >= c)
        has_prompt = true, p = t - c;
    if (!has_prompt || !(has_completion || prompt_only))
        return;
    if (!read_count(cached, &n) && !read_count(json_at(details, "cached_tokens"), &n))
        n = 0;
    *u = (struct usage){
        .there = true, .prompt_tokens = p, .completion_tokens = c, .cached_tokens = n < p ? n : p};
}

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

/* The first choice: an object, perhaps with an error of its own. */
static void read_choice(struct span choices, struct together_reply *ret)
{
    struct span choice = json_at(choices, "0"), finish = {0}, error = {0};
    const struct json_want wants[] = {{"finish_reason", &finish}, {"error", &error}};

    if (!json_pick(choice.p, choice.n, wants, ARRAY_LEN(wants)))
        bad_answer(ret, "'s first choice is", "no object");
    else if (!json_absent(error))
        together_error_read(200, error, ret);
    else
        ret->finish_reason = json_unquoted(finish);
}

/* Some gateways escape every slash. */
static void read_model(struct span v, struct together_reply *ret)
{
    ret->model = json_unquoted(v);
    if (ret->model.n && memchr(ret->model.p, '\\', ret->model.n) &&
        json_read_text(v, ret->model_text, sizeof(ret->model_text)))
        ret->model = (struct span){ret->model_text, strlen(ret->model_text)};
}

/* Null, false and "" are no error. */
static bool is_error(struct span v)
{
    bool b;

    return !json_absent(v) && !(json_read_bool(v, &b) && !b) && !json_equals(v, "");
}

static void read_answer(unsigned task, struct span body, struct together_reply *ret)
{
    struct span list = {0}, usage = {0}, model = {0}, error = {0};
    size_t row = 0;
    int64_t count;

    while (row + 1 < ARRAY_LEN(answers) && !(answers[row].tasks & task))
        row++;
    const struct json_want wants[] = {
        {answers[row].member, &list}, {"usage", &usage}, {"model", &model}, {"error", &error}};
    if (!body.n || !json_pick(body.p, body.n, wants, ARRAY_LEN(wants))) {
        bad_answer(ret, " is", body.n ? "no JSON object" : "empty");
        return;
    }
    if (is_error(error)) {
        together_refusal_read(200, body, ret);
        return;
    }
    count = count_elements(list);
    if (count < 0 || (count == 0 && !answers[row].may_be_empty)) {
        bad_answer(ret, " has no", answers[row].member);
        return;
    }
    if (row == 0)
        read_choice(list, ret);
    if (ret->kind != ERR_NONE)
        return;
    read_model(model, ret);
    read_usage(task, usage, &ret->usage);
    if (task & TASK_IMAGE)
        ret->usage.images = count;
}

void together_reply_read(unsigned task, int http_status, struct span body,
                         struct together_reply *ret)
{
    *ret = (struct together_reply){0};
    if (http_status >= 200 && http_status <= 299)
        read_answer(task, body, ret);
    else
        together_refusal_read(http_status, body, ret);
}
