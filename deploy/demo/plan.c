/* plan.c - the 500 documents, and what goes wrong.
 *
 * `mix` says how many of each kind; they are shuffled, always the same way.
 * Bad documents and repeated ones come last, because some of them are about
 * documents that came before.  A chat job meets a fault by its number among the
 * chat jobs (`troubles`): its body names the trouble in "user", which the
 * simulator looks for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/xalloc.h"
#include "deploy/demo/demo.h"

enum { DOC_MAX = 8192, WEBHOOK_EVERY = 8, DELAYED_EVERY = 31, REPEATS = 3 };

static const char thinker[] = "openai/gpt-oss-120b"; /* the model that is throttled */

/* ---- kinds ---- */

static void chat(struct demo *d, struct planned *p, struct buf *b, size_t n);
static void noop(struct demo *d, struct planned *p, struct buf *b, size_t n);
static void embedding(struct demo *d, struct planned *p, struct buf *b, size_t n);
static void image(struct demo *d, struct planned *p, struct buf *b, size_t n);
static void rerank(struct demo *d, struct planned *p, struct buf *b, size_t n);
static void completion(struct demo *d, struct planned *p, struct buf *b, size_t n);
static void code(struct demo *d, struct planned *p, struct buf *b, size_t n);
static void missing_model(struct demo *d, struct planned *p, struct buf *b, size_t n);

static const struct kind {
    const char *name, *type;
    int count, count_real; /* embeddings and reranks need dedicated endpoints at Together */
    void (*payload)(struct demo *d, struct planned *p, struct buf *b, size_t n);
} mix[] = {
    {"chat", "inference", 372, 372, chat},        {"noop", "noop", 40, 77, noop},
    {"embedding", "inference", 25, 0, embedding}, {"image", "inference", 12, 12, image},
    {"rerank", "inference", 12, 0, rerank},       {"completion", "inference", 15, 15, completion},
    {"code", "inference", 12, 12, code},          {"missing", "inference", 2, 2, missing_model},
};

static const struct trouble {
    const char *name; /* of jobs NAME-00, NAME-01 ... */
    int first, count; /* chat jobs */
    int times;        /* each one meets it so often */
    const char *fixture;
    const char *ends_with; /* NULL: it is completed in the end */
} troubles[] = {
    {"flaky", 10, 12, 1, "server_error", NULL},
    {"flakier", 40, 2, 2, "server_error", NULL},
    {"doomed", 60, 1, 3, "server_error", "server_error"},
    {"cut", 80, 5, 1, "cut_answer", NULL},
};

static const struct trouble *trouble_of(const struct demo *d, size_t n, int *ret_number)
{
    for (size_t i = 0; i < ARRAY_LEN(troubles) && !d->real; i++) {
        *ret_number = (int)n - troubles[i].first;
        if (*ret_number >= 0 && *ret_number < troubles[i].count)
            return &troubles[i];
    }
    return NULL;
}

static void add_messages(struct buf *b, const char *text)
{
    json_add_key(b, "messages");
    buf_puts(b, "[{\"role\":\"user\",\"content\":");
    json_add_text(b, text);
    buf_puts(b, "}]");
}

static void chat(struct demo *d, struct planned *p, struct buf *b, size_t n)
{
    static const char *const models[] = {NULL,
                                         NULL,
                                         NULL,
                                         NULL,
                                         NULL,
                                         NULL,
                                         thinker,
                                         "meta-llama/Llama-3.3-70B-Instruct-Turbo",
                                         "deepseek-ai/DeepSeek-V4-Flash-0731"};
    const struct question *q = &d->questions[n % QUESTIONS];
    const char *model = models[n % ARRAY_LEN(models)];
    int number;
    const struct trouble *t = trouble_of(d, n, &number);

    p->question_answer = q->answer;
    p->troubled = t != NULL;
    if (t && t->ends_with) {
        p->must = MUST_FAIL;
        p->code = t->ends_with;
    }
    json_add_str(b, "task", "chat");
    json_add_key(b, "body"); /* the provider's own request body, sent as it is */
    buf_putc(b, '{');
    add_messages(b, q->text);
    json_add_int(b, "max_tokens", d->real ? 64 : 300);
    if (model)
        json_add_str(b, "model", model);
    if (t) {
        char user[32];

        snprintf(user, sizeof user, "%s-%02d", t->name, number);
        json_add_str(b, "user", user);
    }
    buf_putc(b, '}');
}

static void noop(UNUSED struct demo *d, UNUSED struct planned *p, struct buf *b, size_t n)
{
    json_add_int(b, "sleep_ms", (int64_t)(n % 5) * 50);
}

static void embedding(struct demo *d, UNUSED struct planned *p, struct buf *b, size_t n)
{
    json_add_str(b, "task", "embedding");
    json_add_str(b, "input", d->questions[QUESTIONS - 1 - n].text);
}

static void image(UNUSED struct demo *d, UNUSED struct planned *p, struct buf *b, size_t n)
{
    json_add_str(b, "task", "image");
    json_add_key(b, "body");
    buf_printf(b,
               "{\"prompt\":\"a small fleet of %zu paper boats\",\"width\":512,\"height\":512,"
               "\"steps\":4}",
               n + 2);
}

static void rerank(struct demo *d, UNUSED struct planned *p, struct buf *b, size_t n)
{
    json_add_str(b, "task", "rerank");
    json_add_str(b, "query", "which of these is about time?");
    json_add_key(b, "documents");
    for (size_t i = 0; i < 3; i++) {
        buf_putc(b, i ? ',' : '[');
        json_add_text(b, d->questions[(3 * n + i) % QUESTIONS].text);
    }
    buf_putc(b, ']');
}

static void completion(UNUSED struct demo *d, UNUSED struct planned *p, struct buf *b, size_t n)
{
    json_add_str(b, "task", "completion");
    json_add_key(b, "prompt");
    buf_printf(b, "\"Counting from %zu: %zu, %zu,\"", n, n, n + 1);
    json_add_int(b, "max_tokens", 40);
}

static void code(UNUSED struct demo *d, UNUSED struct planned *p, struct buf *b, size_t n)
{
    json_add_str(b, "task", "code");
    json_add_key(b, "prompt");
    buf_printf(b, "\"A C function that returns the %zuth prime:\"", n + 5);
    json_add_int(b, "max_tokens", 120);
}

static void missing_model(UNUSED struct demo *d, struct planned *p, struct buf *b, UNUSED size_t n)
{
    p->must = MUST_FAIL;
    p->troubled = true;
    p->code = "model_not_available";
    json_add_str(b, "task", "chat");
    json_add_str(b, "prompt", "Is there anybody there?");
    json_add_str(b, "model", "demo/no-such-model");
}

/* ---- good documents ---- */

static struct planned *add(struct demo *d, const char *id, const char *kind, enum must must)
{
    struct planned *p = &d->plan[d->count++];

    *p = (struct planned){.kind = kind, .must = must};
    snprintf(p->id, sizeof p->id, "%s", id);
    return p;
}

static void add_who(struct buf *b, size_t n)
{
    static const char *const tenants[] = {"acme", "blue", "nord"};
    static const char *const teams[] = {"search", "support", "research", "billing"};
    static const char *const priorities[] = {"realtime", "standard", "standard", "batch", NULL};

    if (priorities[n % ARRAY_LEN(priorities)])
        json_add_str(b, "priority", priorities[n % ARRAY_LEN(priorities)]);
    json_add_str(b, "tenant", tenants[n % ARRAY_LEN(tenants)]);
    json_add_key(b, "tags");
    buf_printf(b, "{\"team\":\"%s\"}", teams[n % ARRAY_LEN(teams)]);
}

static void add_document(struct demo *d, const struct kind *k, size_t n)
{
    char id[80], url[256];
    struct planned *p;
    struct buf b = BUF(DOC_MAX);

    snprintf(id, sizeof id, "%s-%03zu", k->name, n);
    p = add(d, id, k->name, MUST_COMPLETE);
    buf_putc(&b, '{');
    json_add_str(&b, "id", id);
    json_add_str(&b, "type", k->type);
    add_who(&b, d->count);
    if (d->count % DELAYED_EVERY == 0)
        json_add_int(&b, "delay_ms", 1500 + 100 * (int64_t)(d->count / DELAYED_EVERY));
    if (d->count % WEBHOOK_EVERY == 0) {
        snprintf(url, sizeof url, "%s/_sim/hook/%s", d->sim, id);
        p->webhook = true;
        d->want_webhooks++;
        json_add_key(&b, "webhook");
        buf_putc(&b, '{');
        json_add_str(&b, "url", url);
        buf_putc(&b, '}');
    }
    json_add_key(&b, "payload");
    buf_putc(&b, '{');
    k->payload(d, p, &b, n);
    buf_puts(&b, "}}");
    p->doc = buf_take(&b);
    d->want_results++;
}

/* A fixed shuffle (Fisher and Yates, with a generator of Knuth's MMIX). */
static void shuffle(const struct kind **list, size_t n)
{
    uint64_t x = 42;

    for (size_t i = n; i > 1; i--) {
        size_t k;
        const struct kind *t;

        x = x * 6364136223846793005ULL + 1442695040888963407ULL;
        k = (size_t)(x >> 33) % i;
        t = list[k];
        list[k] = list[i - 1];
        list[i - 1] = t;
    }
}

/* ---- bad and repeated documents ---- */

static const struct {
    const char *id, *code, *doc;
} bad[] = {
    {"wrong-type", "unknown_type",
     "{\"id\":\"wrong-type\",\"type\":\"inferense\",\"payload\":{\"task\":\"chat\",\"prompt\":"
     "\"Hi\"}}"},
    {"not-built-yet", "unknown_type",
     "{\"id\":\"not-built-yet\",\"type\":\"eval\",\"payload\":{\"model\":\"m\",\"dataset\":[]}}"},
    {"typo", "invalid",
     "{\"id\":\"typo\",\"type\":\"inference\",\"priorty\":\"realtime\","
     "\"payload\":{\"task\":\"chat\",\"prompt\":\"Hi\"}}"},
    {"too-hot", "invalid",
     "{\"id\":\"too-hot\",\"type\":\"inference\","
     "\"payload\":{\"task\":\"chat\",\"prompt\":\"Hi\",\"temperature\":\"hot\"}}"},
    {"no-payload", "invalid", "{\"id\":\"no-payload\",\"type\":\"noop\"}"},
    {"broken", "invalid", "{\"id\":\"broken\",\"type\":\"noop\",\"payload\":{}"},
    {"chat-000", "id_conflict",
     "{\"id\":\"chat-000\",\"type\":\"noop\",\"payload\":{\"result\":\"another document\"}}"},
};

static void add_bad(struct demo *d)
{
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct planned *p = add(d, bad[i].id, "bad", MUST_BE_REJECTED);

        p->code = bad[i].code;
        p->doc = xstrdup(bad[i].doc);
        d->want_results++;
    }
}

static void add_repeats(struct demo *d)
{
    for (size_t i = 0; i < REPEATS; i++) {
        const struct planned *first = &d->plan[100 * i];

        add(d, first->id, "repeat", MUST_CHANGE_NOTHING)->doc = xstrdup(first->doc);
    }
}

struct planned *plan_find(struct demo *d, const char *id)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->plan[i].must <= MUST_FAIL && strcmp(d->plan[i].id, id) == 0)
            return &d->plan[i];
    return NULL;
}

void plan_documents(struct demo *d)
{
    const struct kind *list[DOCUMENTS];
    size_t n = 0, next[ARRAY_LEN(mix)] = {0};

    for (size_t k = 0; k < ARRAY_LEN(mix); k++)
        for (int i = 0; i < (d->real ? mix[k].count_real : mix[k].count); i++)
            list[n++] = &mix[k];
    shuffle(list, n);
    for (size_t i = 0; i < n; i++)
        add_document(d, list[i], next[list[i] - mix]++);
    add_bad(d);
    add_repeats(d);
}

/* ---- faults ---- */

static void add_trouble(struct buf *b, const struct trouble *t)
{
    for (int i = 0; i < t->count; i++)
        buf_printf(b,
                   ",{\"fixture\":\"%s\",\"match\":\"\\\"user\\\":\\\"%s-%02d\\\"\",\"times\":%d}",
                   t->fixture, t->name, i, t->times);
}

bool plan_faults(struct demo *d, struct err *err)
{
    struct buf b = BUF(65536);
    json_t *ok;

    if (d->real)
        return true;
    ok = talk_sim(d, "models",
                  "{\"*\":{\"latency_ms\":600},\"openai/gpt-oss-120b\":{\"latency_ms\":900},"
                  "\"meta-llama/Llama-3.3-70B-Instruct-Turbo\":{\"latency_ms\":1000}}",
                  err);
    json_decref(ok);
    if (!ok)
        return false;
    buf_printf(&b,
               "[{\"fixture\":\"throttled\",\"model\":\"%s\",\"times\":15,"
               "\"headers\":{\"x-ratelimit-reset\":\"1\"}}",
               thinker);
    for (size_t i = 0; i < ARRAY_LEN(troubles); i++)
        add_trouble(&b, &troubles[i]);
    buf_putc(&b, ']');
    ok = talk_sim(d, "faults", b.p, err);
    buf_done(&b);
    json_decref(ok);
    if (!ok)
        return false;
    ok = talk_sim(d, "hooks", "[{\"status\":500,\"times\":2}]", err);
    json_decref(ok);
    return ok != NULL;
}
