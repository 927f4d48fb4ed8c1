/* sim_tasks.c - POST /embeddings, /rerank and /images/generations.
 *
 * Embeddings are bags of words hashed into a few dimensions, and rerank scores
 * are the part of the query's words that a document has: like texts get like
 * values, so that a test can tell a sensible result from a wrong one.
 * Embeddings and images carry no usage, as at the provider.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/xalloc.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_answer.h"
#include "tests/sim/sim_handlers.h"
#include "tests/sim/sim_text.h"

#define DIMENSIONS 16

/* The hash of the next word of *text, which moves on; 0 at the end. */
static uint64_t next_word(struct span *text)
{
    char word[64];
    size_t n = 0;

    while (text->n && !isalnum((unsigned char)*text->p) && (unsigned char)*text->p < 128)
        text->p++, text->n--;
    while (text->n && (isalnum((unsigned char)*text->p) || (unsigned char)*text->p >= 128)) {
        if (n < sizeof(word))
            word[n++] = (char)tolower((unsigned char)*text->p);
        text->p++, text->n--;
    }
    return n ? sim_text_hash(word, n, 1) | 1 : 0;
}

/* ---- embeddings ---- */

static void print_vector(struct buf *b, struct span text, int64_t index)
{
    double v[DIMENSIONS] = {0}, sum = 0, length = 100;
    uint64_t word;

    v[0] = 0.1;
    while ((word = next_word(&text)))
        for (int i = 0; i < DIMENSIONS; i++)
            v[i] += (double)(int)(word >> (i * 4 & 63) & 15) - 7.5;
    for (int i = 0; i < DIMENSIONS; i++)
        sum += v[i] * v[i];
    for (int i = 0; i < 40; i++)
        length = (length + sum / length) / 2; /* the root of sum */
    buf_puts(b, index ? ",{\"object\":\"embedding\"," : "{\"object\":\"embedding\",");
    buf_puts(b, "\"embedding\":[");
    for (int i = 0; i < DIMENSIONS; i++)
        buf_printf(b, i ? ",%.9g" : "%.9g", v[i] / length);
    buf_printf(b, "],\"index\":%" PRId64 "}", index);
}

void sim_on_embedding(struct sim_call *c)
{
    struct buf *b = &c->reply.body;
    struct span input = c->body.input;
    struct json_iter it;
    int64_t index = 0;

    if (!sim_call_model(c, TASK_EMBEDDING) || !sim_prompt_texts(c, "input", input, true))
        return;
    buf_printf(b, "{\"object\":\"list\",\"model\":\"%s\",\"data\":[", c->model->id);
    if (*input.p == '"') {
        print_vector(b, buf_span(&c->prompt), 0);
    } else if (json_iter_init(&it, input.p, input.n)) {
        while (json_next(&it)) {
            buf_clear(&c->text);
            if (json_read_string(it.value, &c->text))
                print_vector(b, buf_span(&c->text), index++);
        }
    }
    buf_puts(b, "]}");
    sim_call_answered(c);
}

/* ---- rerank ---- */

struct ranked {
    int64_t index;
    double score;
    struct span document;
};

static int by_score(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return (x->index > y->index) - (x->index < y->index);
}

/* The part of the query's words that the document has, with a little that differs by text. */
static double score(struct span query, struct span document)
{
    uint64_t word, other, hash = sim_text_hash(document.p, document.n, 3);
    int words = 0, found = 0;

    while ((word = next_word(&query))) {
        struct span d = document;
        words++;
        while ((other = next_word(&d)) && other != word) {
        }
        found += other != 0;
    }
    return 0.05 + 0.9 * found / (words ? words : 1) + (double)(hash >> 40) / (1 << 24) * 0.04;
}

/* The text of a document: a string, or an object as it is written. */
static bool document_text(struct span value, struct buf *text)
{
    buf_clear(text);
    return *value.p == '"' ? json_read_string(value, text) : buf_add_span(text, value);
}

static void print_ranked(struct sim_call *c, const struct ranked *list, int64_t n, bool documents)
{
    struct buf *b = &c->reply.body;
    char id[48];

    buf_printf(b, "{\"object\":\"rerank\",\"id\":\"%s\",\"model\":\"%s\",\"results\":[",
               sim_call_id(c, id), c->model->id);
    for (int64_t i = 0; i < n; i++) {
        buf_printf(b, "%s{\"index\":%" PRId64 ",\"relevance_score\":%.6f,\"document\":{",
                   i ? "," : "", list[i].index, list[i].score);
        if (documents && document_text(list[i].document, &c->text)) {
            buf_puts(b, "\"text\":");
            json_add_string(b, c->text.p, c->text.n);
        }
        buf_puts(b, "}}");
    }
    buf_printf(b,
               "],\"usage\":{\"prompt_tokens\":%" PRId64 ",\"completion_tokens\":0,"
               "\"total_tokens\":%" PRId64 "}}",
               c->prompt_tokens, c->prompt_tokens);
}

/* All documents with their scores; NULL when they are not an array. */
static struct ranked *rank(struct sim_call *c, int64_t *ret_n)
{
    struct json_iter it;
    struct ranked *list = NULL;
    size_t cap = 0;

    if (!c->body.documents.n || *c->body.documents.p != '[' ||
        !json_iter_init(&it, c->body.documents.p, c->body.documents.n))
        return NULL;
    *ret_n = 0;
    while (json_next(&it)) {
        if ((size_t)*ret_n >= cap) {
            cap = cap ? cap * 2 : 64;
            list = xrealloc(list, cap * sizeof(*list));
        }
        if (!document_text(it.value, &c->text))
            continue;
        c->prompt_tokens += sim_tokens(c->text.n);
        list[*ret_n] =
            (struct ranked){*ret_n, score(buf_span(&c->prompt), buf_span(&c->text)), it.value};
        ++*ret_n;
    }
    if (list)
        qsort(list, (size_t)*ret_n, sizeof(*list), by_score);
    return list;
}

void sim_on_rerank(struct sim_call *c)
{
    struct ranked *list;
    int64_t n = 0, top;
    bool documents = false;

    if (!sim_call_model(c, TASK_RERANK) || !sim_prompt_texts(c, "query", c->body.query, false))
        return;
    list = rank(c, &n);
    if (!list) {
        sim_call_error(c, 400, "invalid_request_error", "documents", NULL,
                       "Input validation error: documents must be an array that is not empty");
        return;
    }
    top = n;
    if (!json_read_bool(c->body.return_documents, &documents))
        documents = false;
    if (sim_call_int(c, "top_n", c->body.top_n, 1, INT32_MAX, &top)) {
        print_ranked(c, list, top < n ? top : n, documents);
        sim_call_answered(c);
    }
    free(list);
}

/* ---- images ---- */

static const char picture_base64[] =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwAD"
    "hgGAWjR9awAAAABJRU5ErkJggg==";

void sim_on_image(struct sim_call *c)
{
    struct buf *b = &c->reply.body;
    int64_t width = 1024, height = 1024, n = 1;
    bool base64 = json_equals(c->body.response_format, "base64") ||
                  json_equals(c->body.response_format, "b64_json");
    char id[48];

    if (!sim_call_model(c, TASK_IMAGE) || !sim_prompt_texts(c, "prompt", c->body.prompt, false) ||
        !sim_call_int(c, "width", c->body.width, 16, 8192, &width) ||
        !sim_call_int(c, "height", c->body.height, 16, 8192, &height) ||
        !sim_call_int(c, "n", c->body.n, 1, 4, &n))
        return;
    buf_printf(b, "{\"id\":\"%s\",\"model\":\"%s\",\"object\":\"list\",\"data\":[",
               sim_call_id(c, id), c->model->id);
    for (int64_t i = 0; i < n; i++) {
        buf_printf(b, "%s{\"index\":%" PRId64 ",", i ? "," : "", i);
        if (base64) {
            buf_printf(b, "\"b64_json\":\"%s\"", picture_base64);
        } else {
            buf_puts(b, "\"url\":\"http://");
            sim_call_host(c, b);
            buf_printf(b, "/shrt/%s-%" PRId64 "\"", id + 15, i);
        }
        buf_puts(b, ",\"timings\":{\"inference\":0.271}}");
    }
    buf_puts(b, "]}");
    sim_call_answered(c);
    c->cost_nanousd = sim_price_images(c->model, width, height, n);
}

/* What the url of an image shows: one pixel. */
void sim_on_picture(struct sim_call *c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = 0;
    int have = 0;

    c->reply.type = "image/png";
    buf_puts(&c->reply.head, "Cache-Control: public, max-age=31536000\r\n");
    for (const char *p = picture_base64; *p && *p != '='; p++) {
        bits = bits << 6 | (unsigned)(strchr(digits, *p) - digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            buf_putc(&c->reply.body, (char)(bits >> have & 255));
        }
    }
}
