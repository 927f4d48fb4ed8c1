/* checks_jobs.c - each job ended once, as it may, and nothing names it any more. */
#include <stdlib.h>
#include <string.h>

#include "tests/chaos/chaos.h"

enum { GONE_MS = 15000 };

/* ---- records ---------------------------------------------------------------- */
/* State and run of a job's record (common/queue/record.h); state 0: there is none. */
struct header {
    char state;
    int64_t run;
};

static struct header header_of(struct round *r, const char *id)
{
    redisReply *record = world_redis(r->w, "GETRANGE fl:{0}:job:%s 0 128", id);
    struct header h = {0};
    char run[4];

    if (record->type != REDIS_REPLY_STRING || record->len < 129)
        return h;
    h.state = record->str[2];
    memcpy(run, record->str + 37, 3);
    run[3] = '\0';
    h.run = strtol(run, NULL, 16);
    return h;
}

void check_ended(struct round *r, struct books *b)
{
    (void)b;
    for (size_t i = 0; i < r->job_count; i++) {
        struct header h = header_of(r, r->jobs[i].id);

        if (h.state && strchr("raw", h.state))
            violation(r, r->jobs[i].id, "not ended: its state is '%c'", h.state);
    }
}

/* ---- results ---------------------------------------------------------------- */
/* Letter of an end state. */
static char letter(const char *status)
{
    static const struct {
        const char *status;
        char letter;
    } all[] = {{"completed", 'c'}, {"partial", 'p'}, {"failed", 'f'},
               {"cancelled", 'x'}, {"expired", 'e'}, {"rejected", 'j'}};

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (strcmp(all[i].status, status) == 0)
            return all[i].letter;
    return '?';
}

/* May a job of this kind end so?  A result without a job is none of ours, unless it is rejected. */
static void check_status(struct round *r, const struct result *one)
{
    const struct chaos_job *job = jobs_find(r, one->id);
    char how = letter(one->status);

    if (!job) {
        violation(r, NULL, "a result of '%s', which was never pushed", one->id);
        return;
    }
    if (!strchr(kinds[job->kind].ends, how) && !(how == 'x' && job->cancelled))
        violation(r, one->id, "it ended as %s", one->status);
}

/* Runs 1 to the record's, each once.  A document that is refused is no job, so the same one again
 * is refused again. */
static void check_runs(struct round *r, const struct chaos_job *job, json_t *counts)
{
    struct header h = header_of(r, job->id);
    int64_t last = max64(h.run, 1);

    for (int64_t run = 1; run <= last; run++) {
        const char *key = world_text(r->w, "%s %lld", job->id, (long long)run);
        int64_t n = json_integer_value(json_object_get(counts, key));

        if (n == 0)
            violation(r, job->id, "run %lld has no result", (long long)run);
        else if (n > 1 && !(job->kind == KIND_bad && job->again))
            violation(r, job->id, "run %lld has %lld results", (long long)run, (long long)n);
    }
}

void check_results(struct round *r, struct books *b)
{
    json_t *counts = json_object();

    for (size_t i = 0; i < b->results->count; i++) {
        const struct result *one = &b->results->items[i];
        const char *key = world_text(r->w, "%s %lld", one->id, (long long)one->run);
        int64_t n = json_integer_value(json_object_get(counts, key));

        json_object_set_new(counts, key, json_integer(n + 1));
        check_status(r, one);
    }
    for (size_t i = 0; i < r->job_count; i++)
        check_runs(r, &r->jobs[i], counts);
    json_decref(counts);
}

void check_attempts(struct round *r, struct books *b)
{
    for (size_t i = 0; i < b->results->count; i++) {
        const struct result *one = &b->results->items[i];
        const struct chaos_job *job = jobs_find(r, one->id);
        int64_t attempts = world_int_at(one->doc, "attempts");

        if (job && (kinds[job->kind].traits & FREE) && strcmp(one->status, "completed") == 0 &&
            attempts != 1)
            violation(r, one->id, "%lld attempts were spent", (long long)attempts);
    }
}

/* ---- what is left ----------------------------------------------------------- */
static int64_t process_count(struct round *r)
{
    pid_t pids[64];
    int64_t n = 0;

    for (int i = 0; i < SUPERVISORS; i++)
        n += (int64_t)world_worker_pids(r->supervisors[i], pids, ARRAY_LEN(pids));
    return n;
}

void check_leftovers(struct round *r, struct books *b)
{
    static const char *const none[] = {"fl:{0}:intake",   "fl:{0}:taken",   "fl:{0}:ready:*",
                                       "fl:{0}:active:*", "fl:{0}:delayed", "fl:{0}:cancels"};
    int64_t until = now_ms() + patience_ms(GONE_MS);

    (void)b;
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        redisReply *keys = world_redis(r->w, "KEYS %s", none[i]);

        for (size_t k = 0; k < keys->elements; k++)
            violation(r, NULL, "%s is left", keys->element[k]->str);
    }
    while (world_int(r->w, "HLEN fl:{0}:workers") != process_count(r) && now_ms() < until)
        pause_ms(20);
    if (world_int(r->w, "HLEN fl:{0}:workers") != process_count(r))
        violation(r, NULL, "%lld workers are registered, but %lld processes run",
                  (long long)world_int(r->w, "HLEN fl:{0}:workers"), (long long)process_count(r));
}

/* ---- webhooks and replies --------------------------------------------------- */
/* Runs that ended by themselves: a cancelled job is told, too, but by whoever cancelled it. */
static int64_t runs_with_result(const struct books *b, const char *id)
{
    int64_t n = 0;

    for (size_t i = 0; i < b->results->count; i++)
        n += strcmp(b->results->items[i].id, id) == 0;
    return n;
}

static void check_hook(struct round *r, struct books *b, const struct chaos_job *job)
{
    json_t *ids = json_object(), *one, *good;
    const char *id;
    size_t i;

    json_array_foreach (b->deliveries, i, one) {
        bool ok = world_int_at(one, "status") / 100 == 2;

        id = world_string_at(one, "id");
        if (strcmp(world_string_at(one, "path"), job->hook) == 0)
            json_object_set_new(ids, id,
                                json_boolean(ok || json_is_true(json_object_get(ids, id))));
    }
    if (json_object_size(ids) == 0)
        violation(r, job->id, "its webhook was never delivered");
    if ((int64_t)json_object_size(ids) > max64(1, header_of(r, job->id).run))
        violation(r, job->id, "its webhook came under %zu ids", json_object_size(ids));
    json_object_foreach (ids, id, good) {
        if (!json_is_true(good))
            violation(r, job->id, "the webhook %s was never taken", id);
    }
    json_decref(ids);
}

void check_webhooks(struct round *r, struct books *b)
{
    for (size_t i = 0; i < r->job_count; i++)
        if (kinds[r->jobs[i].kind].traits & HOOK)
            check_hook(r, b, &r->jobs[i]);
}

void check_replies(struct round *r, struct books *b)
{
    for (size_t i = 0; i < r->job_count; i++) {
        const struct chaos_job *job = &r->jobs[i];
        int64_t n, runs = runs_with_result(b, job->id);

        if (!(kinds[job->kind].traits & REPLY))
            continue;
        n = world_int(r->w, "LLEN fl:{0}:reply:%s", job->id);
        if (n < runs || (n > runs && !job->again && !r->rolled_back))
            violation(r, job->id, "%lld replies for %lld results", (long long)n, (long long)runs);
    }
}
