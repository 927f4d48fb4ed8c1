/* jobs.c - documents by templates, pushed as a careful producer does: until Redis has said yes.
 *
 * The harness talks to Redis directly, so that what it pushes is known; while
 * Redis is away, pushes wait in the backlog.  A push without an answer is done
 * again: the same document under the same id changes nothing. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/chaos/chaos.h"

const struct kind kinds[KIND_COUNT] = {
#define X(symbol, weight, ends, traits, document) {#symbol, weight, ends, traits, document},
#include "tests/chaos/jobs.def"
};

/* One of each kind of stream, cheap ones and the most expensive. */
const char *const chat_models[] = {
    "Qwen/Qwen3.5-9B",     "openai/gpt-oss-20b",   "zai-org/GLM-5.3-Flash",
    "moonshotai/Kimi-K3",  "MiniMaxAI/MiniMax-M3", "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "openai/gpt-oss-120b", "zai-org/GLM-5.2",
};
const size_t chat_model_count = ARRAY_LEN(chat_models);

/* ---- documents -------------------------------------------------------------- */
struct words {
    const char *id, *model, *hook;
    int64_t n;
};

/* Write what stands for the word at *at and go behind it; a plain character otherwise. */
static void put_word(FILE *out, const char **at, const struct words *words)
{
    static const char *const names[] = {"@id", "@model", "@hook"};
    const char *const values[] = {words->id, words->model, words->hook};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strncmp(*at, names[i], strlen(names[i])) == 0) {
            fputs(values[i], out);
            *at += strlen(names[i]);
            return;
        }
    if (strncmp(*at, "@n", 2) == 0) {
        fprintf(out, "%lld", (long long)words->n);
        *at += 2;
        return;
    }
    fputc(**at == '\'' ? '"' : **at, out);
    ++*at;
}

static char *document(struct round *r, const struct kind *k, const struct words *words)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    if (!out)
        abort();
    for (const char *at = k->document; *at;)
        put_word(out, &at, words);
    fclose(out);
    return world_own(r->w, text, free);
}

/* ---- pushing ---------------------------------------------------------------- */
static bool push(struct round *r, const char *doc)
{
    redisReply *reply;

    if (r->redis_away)
        return false;
    reply = world_redis_try(r->w, "LPUSH fl:{0}:intake %s", doc);
    return reply && reply->type == REDIS_REPLY_INTEGER;
}

void jobs_push_again(struct round *r, size_t i)
{
    if (r->backlog_count == r->backlog_cap) {
        r->backlog_cap = r->backlog_cap ? 2 * r->backlog_cap : 256;
        r->backlog = realloc(r->backlog, r->backlog_cap * sizeof *r->backlog);
        if (!r->backlog)
            abort();
    }
    r->backlog[r->backlog_count++] = i;
}

void jobs_push_backlog(struct round *r)
{
    while (r->backlog_count > 0 && push(r, r->jobs[r->backlog[r->backlog_count - 1]].doc))
        r->backlog_count--;
}

static struct chaos_job *add(struct round *r)
{
    if (r->job_count == r->job_cap) {
        r->job_cap = r->job_cap ? 2 * r->job_cap : 1024;
        r->jobs = realloc(r->jobs, r->job_cap * sizeof *r->jobs);
        if (!r->jobs)
            abort();
    }
    r->jobs[r->job_count] = (struct chaos_job){0};
    return &r->jobs[r->job_count++];
}

void jobs_push_new(struct round *r, enum job_kind kind, struct dice *d)
{
    const struct kind *k = &kinds[kind];
    size_t i = r->job_count;
    struct chaos_job *job = add(r);
    struct words words = {.model = chat_models[dice_below(d, (int64_t)chat_model_count)],
                          .n = dice_between(d, 0, 400)};

    if (kind == KIND_equal)
        words.n %= 12;
    job->kind = kind;
    job->id = words.id = world_text(r->w, "%s-%zu", k->name, i);
    job->hook = world_text(r->w, "/_sim/hook/%s", job->id);
    words.hook = world_text(r->w, "%s%s", r->receiver.net_url, job->hook);
    job->doc = document(r, k, &words);
    for (int times = k->traits & TWICE ? 2 : 1; times > 0; times--)
        if (!push(r, job->doc))
            jobs_push_again(r, i);
}

struct chaos_job *jobs_find(struct round *r, const char *id)
{
    const char *dash = strrchr(id, '-');
    size_t i = dash ? strtoul(dash + 1, NULL, 10) : SIZE_MAX;

    return i < r->job_count && strcmp(r->jobs[i].id, id) == 0 ? &r->jobs[i] : NULL;
}

struct chaos_job *jobs_any(struct round *r, struct dice *d)
{
    return r->job_count ? &r->jobs[dice_below(d, (int64_t)r->job_count)] : NULL;
}
