/* catalogue.c - see catalogue.h.
 *
 *     [{"id": "openai/gpt-oss-20b", "type": "chat", "context_length": 131072,
 *       "pricing": {"input": 0.05, "output": 0.2, "cached_input": 0.01,
 *                   "image_pixel": 0, "image": 0, ...}, ...}, ...]
 *
 * Others write it differently: {"data": [...]}, "pricing": {"prompt": "0.00000015"} per token and
 * as text (OpenRouter), "context_window" (Groq), "max_context_length" and "type": "base" (Mistral),
 * "max_model_len" (vLLM).
 *
 * The answer is some 450 kB, with the chat templates inside: it is walked once,
 * nothing but what is wanted is copied.
 *
 * A token price of 0 is not taken for a gift: the catalogue prints it for whatever it
 * has no price for, and a call must never seem to be free by that.
 *
 * Another type of model: a row in `types`, or in `not_ours` when no task calls it. */
#include "worker/together/catalogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/parse.h"
#include "common/core/secret.h"
#include "common/core/xalloc.h"

/* ---- prices ---- */

#define PRICE_MAX INT64_C(1000000000000000) /* a million USD: more is a mistake */
#define NOISE     10000000                  /* a part in so many is noise */
#define PER_TOKEN 1e15                      /* nano-USD per million tokens, of a USD per token */

/* To six digits, if that is hardly a change. */
static int64_t without_noise(int64_t nanousd)
{
    int64_t unit = 1, round, off;

    for (int64_t v = nanousd; v >= 1000000; v /= 10)
        unit *= 10;
    round = (nanousd + unit / 2) / unit * unit;
    off = round > nanousd ? round - nanousd : nanousd - round;
    return off <= nanousd / NOISE ? round : nanousd;
}

int64_t catalogue_price(struct span number)
{
    int64_t nanousd;

    if (!number.n || *number.p == '"' || !parse_usd(number.p, number.n, &nanousd) ||
        nanousd > PRICE_MAX)
        return -1;
    return without_noise(nanousd);
}

/* 0 and less are told for what has no price. */
static int64_t price_or_unknown(struct span number)
{
    int64_t v = catalogue_price(number);

    return v > 0 ? v : -1;
}

/* {"price_per_megapixel": 0.0027, ...} or {"example_price": 0.03, ...}; 0 when there is none. */
static int64_t price_of_image(struct span object, const char *name)
{
    struct span v = {NULL, 0};
    const struct json_want want = {name, &v};

    return object.n && *object.p == '{' && json_pick(object.p, object.n, &want, 1)
               ? price_or_unknown(v)
               : -1;
}

static void read_image_price(struct span pixel, struct span piece, struct model *m)
{
    int64_t by_pixel = price_of_image(pixel, "price_per_megapixel");
    int64_t by_piece = price_of_image(piece, "example_price");

    m->image_nanousd = by_pixel >= 0 ? by_pixel : by_piece;
    m->image_unit = by_pixel >= 0 ? IMAGE_MEGAPIXEL : by_piece >= 0 ? IMAGE_PIECE : IMAGE_NONE;
    if (m->image_nanousd >= 0) /* paid by size, not by tokens */
        m->in_nanousd = m->out_nanousd = 0;
}

int64_t catalogue_price_per_token(struct span v)
{
    char text[32], *end;
    double usd;

    if (!json_read_text(v, text, sizeof text) && v.n < sizeof text && v.p) {
        memcpy(text, v.p, v.n);
        text[v.n] = 0;
    }
    usd = v.p ? strtod(text, &end) : 0;
    if (!v.p || end == text || *end || !(usd >= 0 && usd * PER_TOKEN <= (double)PRICE_MAX))
        return -1;
    return without_noise((int64_t)(usd * PER_TOKEN + 0.5));
}

/* Of the two ways in which a price is written. */
static int64_t either_price(struct span per_million, struct span per_token)
{
    int64_t v = price_or_unknown(per_million);

    if (v < 0)
        v = catalogue_price_per_token(per_token);
    return v > 0 ? v : -1;
}

static void read_pricing(struct span pricing, struct model *m)
{
    struct span in = {0}, out = {0}, cached = {0}, pixel = {0}, piece = {0};
    struct span prompt = {0}, completion = {0}, cache_read = {0};
    const struct json_want wants[] = {{"input", &in},
                                      {"output", &out},
                                      {"cached_input", &cached},
                                      {"image_pixel", &pixel},
                                      {"image", &piece},
                                      {"prompt", &prompt},
                                      {"completion", &completion},
                                      {"input_cache_read", &cache_read}};

    if (!pricing.n || *pricing.p != '{' ||
        !json_pick(pricing.p, pricing.n, wants, ARRAY_LEN(wants)))
        return;
    if (m->tasks == TASK_IMAGE) {
        read_image_price(pixel, piece, m);
        return;
    }
    m->in_nanousd = either_price(in, prompt);
    m->out_nanousd = either_price(out, completion);
    m->cached_nanousd = either_price(cached, cache_read);
    if (m->tasks && !(m->tasks & ~(unsigned)(TASK_EMBEDDING | TASK_RERANK)) && m->in_nanousd >= 0)
        m->out_nanousd = 0; /* they have no answer tokens */
}

/* ---- models ---- */

static const struct {
    const char *name;
    unsigned tasks;
} types[] = {
    {"chat", TASK_CHAT},   {"language", TASK_COMPLETION}, {"code", TASK_CODE | TASK_COMPLETION},
    {"image", TASK_IMAGE}, {"embedding", TASK_EMBEDDING}, {"rerank", TASK_RERANK},
};

static const char *const not_ours[] = {
    "audio", "video", "transcribe", "transcription", "speech", "tts", "stt", "moderation", "ocr"};

/* False: a type that no task here calls.  A type that is not known says nothing, such as "base". */
static bool read_type(struct span type, struct model *m)
{
    if (!json_absent(type) && *type.p != '"')
        return false;
    for (size_t i = 0; i < ARRAY_LEN(not_ours); i++)
        if (json_equals(type, not_ours[i]))
            return false;
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (json_equals(type, types[i].name)) {
            m->tasks = types[i].tasks;
            return true;
        }
    return true;
}

/* The largest prompt and answer, in the words of several providers; 0 when it is not there. */
static int64_t read_context(const struct span said[], size_t n)
{
    int64_t context;

    for (size_t i = 0; i < n; i++)
        if (json_read_int(said[i], &context) && context > 0 && context <= MODEL_CONTEXT_MAX)
            return context;
    return 0;
}

static bool is_plain(const char *id)
{
    for (; *id; id++)
        if ((unsigned char)*id <= 0x20 || *id == 0x7f)
            return false;
    return true;
}

/* Names of models are kept in Redis, and shown. */
static bool has_secret(const char *id)
{
    char text[MODEL_ID_MAX + 1];

    snprintf(text, sizeof text, "%s", id);
    secret_hide_text(text);
    return strcmp(text, id) != 0;
}

/* False: not one of ours. */
static bool read_row(struct span item, char id[MODEL_ID_MAX + 1], struct model *m)
{
    struct span name = {0}, type = {0}, pricing = {0}, context[4] = {0};
    const struct json_want wants[] = {{"id", &name},
                                      {"type", &type},
                                      {"pricing", &pricing},
                                      {"context_length", &context[0]},
                                      {"context_window", &context[1]},
                                      {"max_context_length", &context[2]},
                                      {"max_model_len", &context[3]}};

    *m = MODEL_UNKNOWN;
    if (!item.n || *item.p != '{' || !json_pick(item.p, item.n, wants, ARRAY_LEN(wants)) ||
        !json_read_text(name, id, MODEL_ID_MAX + 1) || !*id || !is_plain(id) || has_secret(id) ||
        !read_type(type, m))
        return false;
    m->context = read_context(context, ARRAY_LEN(context));
    read_pricing(pricing, m);
    return true;
}

/* The list in the answer: the answer itself, or its member `data`. */
static struct span list_of(struct span body)
{
    struct span data = {NULL, 0};
    const struct json_want want = {"data", &data};
    struct json_iter it;

    if (!json_iter_init(&it, body.p, body.n))
        return (struct span){NULL, 0};
    if (it.close == ']')
        return body;
    return json_pick(body.p, body.n, &want, 1) && data.n && *data.p == '[' ? data
                                                                           : (struct span){NULL, 0};
}

bool catalogue_read(struct span body, const char *provider, struct model_table *ret,
                    struct err *err)
{
    struct span list = body.p ? list_of(body) : (struct span){NULL, 0};
    struct model_table t = {0};
    char id[MODEL_ID_MAX + 1];
    struct json_iter it;
    struct model m;

    if (!list.p || !json_iter_init(&it, list.p, list.n))
        return err_set(err, ERR_BAD_ANSWER, "expected a list of models, or it in `data`");
    while (json_next(&it)) {
        if (t.count == CATALOGUE_ROWS_MAX || !read_row(it.value, id, &m) ||
            model_find(&t, id, strlen(id)))
            continue;
        m.id = xstrdup(id);
        m.provider = xstrdup(provider);
        t.rows = xrealloc(t.rows, (t.count + 1) * sizeof *t.rows);
        t.rows[t.count++] = m;
    }
    if (it.bad || t.count == 0) {
        model_table_done(&t);
        return err_set(err, ERR_BAD_ANSWER,
                       it.bad ? "the list of models is malformed"
                              : "the list names no model that can be used");
    }
    *ret = t;
    return true;
}
