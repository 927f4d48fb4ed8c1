/* world_jobs.c - job documents in; results, costs and alerts out; what must always hold.
 *
 * Everything is read from the contract's streams, never from private keys, so
 * these checks hold whatever the inside looks like.
 */
#include "tests/support/world_private.h"

#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const end_states[] = {"completed", "partial", "failed",
                                         "cancelled", "expired", "rejected"};

static void free_json(void *p) { json_decref(p); }

json_t *world_json(struct world *w, const char *text)
{
    json_error_t why;
    json_t *doc = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why);

    if (!doc) /* perhaps a seed over 63 bits: all numbers become doubles then */
        doc = json_loads(text, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &why);
    if (!doc)
        world_fail(w, "not JSON (%s): %.300s", why.text, text);
    return world_own(w, doc, free_json);
}

char *world_quoted(struct world *w, const char *text)
{
    char *copy = world_text(w, "%s", text);

    for (char *p = copy; *p; p++)
        if (*p == '\'')
            *p = '"';
    return copy;
}

/* ---- jobs in ---------------------------------------------------------------- */
void world_push_raw(struct world *w, const void *p, size_t n)
{
    world_redis(w, "LPUSH fl:{0}:intake %b", p, n);
}

char *world_noop_of(struct world *w, const char *id, size_t n)
{
    char *head = world_text(w, "{\"id\":\"%s\",\"type\":\"noop\",\"payload\":{\"result\":\"", id);
    size_t head_n = strlen(head), tail_n = strlen("\"}}");
    char *doc = malloc(n + 1);

    ck_assert_ptr_nonnull(doc);
    memcpy(doc, head, head_n + 1);
    memset(doc + head_n, 'x', n - head_n - tail_n);
    memcpy(doc + n - tail_n, "\"}}", tail_n + 1);
    return world_own(w, doc, free);
}

void world_push_json(struct world *w, json_t *take_doc)
{
    char *text = json_dumps(take_doc, JSON_COMPACT);

    if (!text)
        ck_abort_msg("a job document that cannot be written");
    world_push_raw(w, text, strlen(text));
    free(text);
    json_array_append_new(w->private->pushed, take_doc);
}

void world_push(struct world *w, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        abort();
    va_end(ap);
    world_push_json(w, json_incref(world_json(w, world_quoted(w, text))));
    free(text);
}

/* GSM8K when it is on this machine.  NULL: it is not. */
static FILE *open_questions(struct world *w)
{
    const char *dir = getenv("FLOTILLA_DATA");

    return fopen(world_text(w, "%s/gsm8k-test.jsonl", dir ? dir : "../shared/data"), "re");
}

static json_t *next_question(FILE *in, int i)
{
    char line[65536];
    json_t *row, *question;

    if (!in || !fgets(line, sizeof line, in))
        return json_sprintf("What is %d + %d?  Answer with the number alone.", i * 7 + 3,
                            i * 3 + 11);
    row = json_loads(line, 0, NULL);
    question = json_incref(json_object_get(row, "question"));
    json_decref(row);
    if (!json_is_string(question))
        ck_abort_msg("gsm8k-test.jsonl, line %d: no question", i + 1);
    return question;
}

void world_push_questions(struct world *w, int count, const char *members)
{
    const char *more = world_text(w, "{%s}", members ? world_quoted(w, members) : "");
    FILE *in = open_questions(w);

    for (int i = 0; i < count; i++) {
        json_t *message = json_pack("{s:s, s:o}", "role", "user", "content", next_question(in, i));
        json_t *body =
            json_pack("{s:[o], s:i, s:i}", "messages", message, "temperature", 0, "max_tokens", 64);
        json_t *job = json_pack("{s:o, s:s, s:{s:s, s:o}}", "id", json_sprintf("q-%d", i), "type",
                                "inference", "payload", "task", "chat", "body", body);

        json_object_update(job, world_json(w, more));
        world_push_json(w, job);
    }
    if (in)
        fclose(in);
}

/* ---- documents out ---------------------------------------------------------- */
const redisReply *world_field(const redisReply *entry, const char *name)
{
    const redisReply *fields = entry->element[1];

    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        if (strcmp(fields->element[i]->str, name) == 0)
            return fields->element[i + 1];
    return NULL;
}

/* The `doc` fields of a stream as an array. */
static json_t *stream_docs(struct world *w, const char *stream)
{
    redisReply *entries = world_redis(w, "XRANGE fl:{0}:%s - +", stream);
    json_t *docs = json_array();

    world_own(w, docs, free_json);
    for (size_t i = 0; i < entries->elements; i++) {
        const redisReply *doc = world_field(entries->element[i], "doc");

        if (!doc)
            world_fail(w, "an entry of %s has no field doc", stream);
        json_array_append(docs, world_json(w, doc->str));
    }
    return docs;
}

json_t *world_costs(struct world *w) { return stream_docs(w, "costs"); }
json_t *world_alerts(struct world *w) { return stream_docs(w, "alerts"); }

bool world_has_alert(struct world *w, const char *code)
{
    redisReply *entries = world_redis(w, "XRANGE fl:{0}:alerts - +");

    for (size_t i = 0; i < entries->elements; i++) {
        const redisReply *one = world_field(entries->element[i], "code");

        if (one && strcmp(one->str, code) == 0)
            return true;
    }
    return false;
}

const struct results *world_results(struct world *w)
{
    json_t *docs = stream_docs(w, "results");
    struct results *rs = world_own(w, calloc(1, sizeof *rs), free);

    rs->count = json_array_size(docs);
    rs->items = world_own(w, calloc(rs->count + 1, sizeof *rs->items), free);
    for (size_t i = 0; i < rs->count; i++) {
        json_t *doc = json_array_get(docs, i);

        rs->items[i] = (struct result){world_string_at(doc, "id"), world_string_at(doc, "status"),
                                       world_int_at(doc, "run"), doc};
    }
    return rs;
}

const struct results *world_wait_results(struct world *w, int64_t n, int timeout_ms)
{
    int64_t have = 0;

    WAIT_UNTIL(w, timeout_ms, (have = world_int(w, "XLEN fl:{0}:results")) >= n);
    return world_results(w);
}

const struct result *world_result(struct world *w, const char *id)
{
    const struct results *rs = world_results(w);

    for (size_t i = rs->count; i-- > 0;)
        if (strcmp(rs->items[i].id, id) == 0)
            return &rs->items[i];
    world_fail(w, "%s has no result (there are %zu)", id, rs->count);
}

json_t *world_at(json_t *doc, const char *path)
{
    while (doc && *path) {
        size_t n = strcspn(path, ".");
        char step[128];

        if (n >= sizeof step)
            return NULL;
        memcpy(step, path, n);
        step[n] = '\0';
        doc = json_is_array(doc) ? json_array_get(doc, strtoul(step, NULL, 10))
                                 : json_object_get(doc, step);
        path += n + (path[n] == '.');
    }
    return doc;
}

const char *world_string_at(json_t *doc, const char *path)
{
    const char *text = json_string_value(world_at(doc, path));

    return text ? text : "";
}

int64_t world_int_at(json_t *doc, const char *path)
{
    const json_t *v = world_at(doc, path);

    return json_is_integer(v) ? json_integer_value(v) : (int64_t)json_number_value(v);
}

/* ---- the universal checks --------------------------------------------------- */
static bool is_end_state(const char *status)
{
    for (size_t i = 0; i < ARRAY_LEN(end_states); i++)
        if (strcmp(status, end_states[i]) == 0)
            return true;
    return false;
}

void world_check_one_result_each(struct world *w, int64_t n)
{
    const struct results *rs = world_results(w);
    json_t *ids = json_object(), *runs = json_object();
    int64_t different;

    for (size_t i = 0; i < rs->count; i++) {
        const struct result *r = &rs->items[i];
        const char *key = world_text(w, "%s run %lld", r->id, (long long)r->run);

        if (!is_end_state(r->status))
            world_fail(w, "%s: '%s' is no end of a job", key, r->status);
        if (json_object_get(runs, key))
            world_fail(w, "%s has two results", key);
        json_object_set_new(runs, key, json_true());
        json_object_set_new(ids, r->id, json_true());
    }
    different = (int64_t)json_object_size(ids);
    json_decref(ids);
    json_decref(runs);
    if (different != n)
        world_fail(w, "%lld jobs have a result, expected %lld", (long long)different, (long long)n);
}

static bool has_flag(json_t *cost, const char *name)
{
    json_t *flags = json_object_get(cost, "flags"), *flag;
    size_t i;

    json_array_foreach (flags, i, flag) {
        if (strcmp(json_string_value(flag), name) == 0)
            return true;
    }
    return false;
}

struct money world_check_money(struct world *w)
{
    struct money m = {.billed_nanousd = world_int_at(world_sim_ledger(w), "billed_nanousd")};
    json_t *costs = world_costs(w), *cost, *seen = json_object();
    size_t i;

    json_array_foreach (costs, i, cost) {
        const char *event = world_string_at(cost, "event_id");

        if (json_object_get(seen, event))
            world_fail(w, "cost event '%s' is there twice", event);
        json_object_set_new(seen, event, json_true());
        if (!has_flag(cost, "unconfirmed"))
            m.confirmed_nanousd += world_int_at(cost, "cost_nanousd");
        m.estimated_nanousd += world_int_at(cost, "estimate_nanousd");
    }
    json_decref(seen);
    if (m.confirmed_nanousd > m.billed_nanousd)
        world_fail(w, "confirmed %lld nano-USD, but only %lld were billed",
                   (long long)m.confirmed_nanousd, (long long)m.billed_nanousd);
    if (m.billed_nanousd > m.confirmed_nanousd + m.estimated_nanousd)
        world_fail(w, "billed %lld nano-USD, but confirmed %lld and estimated %lld",
                   (long long)m.billed_nanousd, (long long)m.confirmed_nanousd,
                   (long long)m.estimated_nanousd);
    return m;
}

/* ---- for the second opinion on the schemas ---------------------------------- */
/* One write per line: suites that run side by side append to the same files. */
static void append(const char *dir, const char *kind, json_t *docs)
{
    char path[PATH_MAX];
    json_t *doc;
    size_t i;
    int fd;

    snprintf(path, sizeof path, "%s/%s.jsonl", dir, kind);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        ck_abort_msg("cannot write %s", path);
    json_array_foreach (docs, i, doc) {
        char *text = json_dumps(doc, JSON_COMPACT), *line = NULL;
        int n = asprintf(&line, "%s\n", text);

        if (n < 0 || write(fd, line, (size_t)n) != n)
            ck_abort_msg("cannot write %s", path);
        free(text);
        free(line);
    }
    close(fd);
}

/* The bodies that the receiver accepted and kept whole. */
static json_t *webhook_docs(struct world *w)
{
    json_t *docs = world_own(w, json_array(), free_json), *hook;
    size_t i;

    json_array_foreach (world_hooks(w), i, hook) {
        const char *body = world_string_at(hook, "body");

        /* what has no id is a request of a canned provider; Slack has a format of its own */
        if (*world_string_at(hook, "id") &&
            strcmp(world_string_at(hook, "path"), "/_sim/hook/slack") != 0 &&
            (int64_t)strlen(body) == world_int_at(hook, "body_bytes"))
            json_array_append(docs, world_json(w, body));
    }
    return docs;
}

void world_collect(struct world *w)
{
    static const char *const streams[][2] = {
        {"result", "results"}, {"cost", "costs"}, {"alert", "alerts"}};
    const char *dir = getenv("FLOTILLA_COLLECT");

    if (!dir)
        return;
    append(dir, "job", w->private->pushed);
    if (w->sim && program_runs(w->sim))
        append(dir, "webhook", webhook_docs(w));
    if (!w->redis)
        return;
    world_redis_thaw(w);
    for (size_t i = 0; i < ARRAY_LEN(streams); i++)
        append(dir, streams[i][0], stream_docs(w, streams[i][1]));
}
