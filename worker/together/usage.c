/* usage.c - see usage.h. */
#include "worker/together/usage.h"

#include "common/core/json.h"

/* No model has such a context: more is no usage, and would use up budgets. */
static const double TOKENS_MAX = MODEL_CONTEXT_MAX;

enum count {
    PROMPT,
    COMPLETION,
    TOTAL,
    REASONING,
    CACHED,
    UNCOUNTED_READ,
    UNCOUNTED_WRITE,
    COUNTS
};

/* Where the counts stand: the first path that holds a number.  cache_* of the Messages API are not
 * part of input_tokens; all other cached tokens are part of the prompt. */
/* clang-format off */
static const struct {
    enum count count;
    const char *path;
} paths[] = {
    {PROMPT,          "prompt_tokens"},
    {PROMPT,          "input_tokens"},
    {COMPLETION,      "completion_tokens"},
    {COMPLETION,      "output_tokens"},
    {TOTAL,           "total_tokens"},
    {REASONING,       "reasoning_tokens"},
    {REASONING,       "completion_tokens_details.reasoning_tokens"},
    {REASONING,       "output_tokens_details.reasoning_tokens"},
    {CACHED,          "cached_tokens"},
    {CACHED,          "prompt_tokens_details.cached_tokens"},
    {CACHED,          "input_tokens_details.cached_tokens"},
    {CACHED,          "prompt_cache_hit_tokens"},
    {UNCOUNTED_READ,  "cache_read_input_tokens"},
    {UNCOUNTED_WRITE, "cache_creation_input_tokens"},
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

/* -1: it does not say. */
static void read_counts(struct span v, int64_t n[COUNTS])
{
    for (int i = 0; i < COUNTS; i++)
        n[i] = -1;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        if (n[paths[i].count] < 0 && !read_count(json_at(v, paths[i].path), &n[paths[i].count]))
            n[paths[i].count] = -1;
}

/* One of the two sides may be missing where the total is there. */
static bool complete(unsigned task, int64_t n[COUNTS])
{
    bool prompt_only = task & (TASK_EMBEDDING | TASK_RERANK);

    if (n[COMPLETION] < 0 && n[PROMPT] >= 0 && n[TOTAL] >= n[PROMPT])
        n[COMPLETION] = n[TOTAL] - n[PROMPT];
    if (n[COMPLETION] < 0 && prompt_only)
        n[COMPLETION] = 0;
    if (n[PROMPT] < 0 && n[COMPLETION] >= 0 && n[TOTAL] >= n[COMPLETION])
        n[PROMPT] = n[TOTAL] - n[COMPLETION];
    return n[PROMPT] >= 0 && n[COMPLETION] >= 0;
}

/* True: the numbers disagree. */
static bool reconcile(int64_t n[COUNTS])
{
    int64_t sum = n[PROMPT] + n[COMPLETION];
    int64_t reasoning = max64(n[REASONING], 0);

    if (n[TOTAL] < 0) {
        bool on_top = reasoning > n[COMPLETION];

        n[COMPLETION] += on_top ? reasoning : 0;
        return on_top;
    }
    if (n[TOTAL] == sum)
        return false;
    if (n[TOTAL] == sum + reasoning) {
        n[COMPLETION] += reasoning;
        return false;
    }
    if (n[TOTAL] > sum)
        n[COMPLETION] = n[TOTAL] - n[PROMPT];
    return true;
}

/* A write to the cache has a price of its own, which is not known here. */
static bool add_uncounted(int64_t n[COUNTS])
{
    int64_t reads = max64(n[UNCOUNTED_READ], 0);
    int64_t writes = max64(n[UNCOUNTED_WRITE], 0);

    if (reads + writes == 0)
        return false;
    if (n[TOTAL] < 0 || n[TOTAL] >= n[PROMPT] + n[COMPLETION] + reads + writes)
        n[PROMPT] += reads + writes;
    if (n[CACHED] < 0)
        n[CACHED] = reads;
    return writes > 0;
}

void together_usage_read(unsigned task, struct span v, struct usage *ret)
{
    int64_t n[COUNTS];
    bool estimated;

    if (!v.n || *v.p != '{')
        return;
    read_counts(v, n);
    if (!complete(task, n))
        return;
    estimated = add_uncounted(n);
    estimated |= reconcile(n);
    ret->there = true;
    ret->estimated = estimated;
    ret->prompt_tokens = n[PROMPT];
    ret->completion_tokens = n[COMPLETION];
    ret->cached_tokens = max64(min64(n[CACHED], n[PROMPT]), 0);
}
