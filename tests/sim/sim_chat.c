/* sim_chat.c - POST /chat/completions and /completions.
 *
 * Whole answers are printed with line ends and two blanks, as the provider
 * prints them; the chunks of a stream are compact.  Streams end in one of two
 * forms (quirks.def): A tells finish_reason and usage in chunks of their own,
 * the last one with `choices: []`; B tells both in the last chunk of text.
 */
#include <inttypes.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/json.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_answer.h"
#include "tests/sim/sim_handlers.h"
#include "tests/sim/sim_text.h"

/* What both endpoints know of a request. */
struct chat {
    struct sim_call *c;
    struct buf *out;
    bool is_chat, stream;
    int64_t n, created;
    char id[48];
};

static void add_field(struct buf *b, const char *text, struct span v)
{
    buf_puts(b, text);
    json_add_string(b, v.p ? v.p : "", v.n);
}

static void add_usage(const struct chat *t, bool pretty)
{
    const struct sim_call *c = t->c;
    const char *comma = pretty ? ",\n    " : ",", *end = pretty ? "\n  }" : "}";
    struct buf *b = t->out;

    buf_printf(b, "{%s\"prompt_tokens\": %" PRId64 "%s\"total_tokens\": %" PRId64,
               pretty ? "\n    " : "", c->prompt_tokens, comma,
               c->prompt_tokens + c->completion_tokens);
    buf_printf(b, "%s\"completion_tokens\": %" PRId64, comma, c->completion_tokens);
    if (c->model->form == 'b')
        buf_printf(b, "%s\"cached_tokens\": %" PRId64, comma, c->cached_tokens);
    else if (c->cached_tokens)
        buf_printf(b, "%s\"prompt_tokens_details\": {\"cached_tokens\": %" PRId64 "}", comma,
                   c->cached_tokens);
    if (c->model->reasoning)
        buf_printf(b, "%s\"reasoning_tokens\": %" PRId64, comma, c->reasoning_tokens);
    buf_puts(b, end);
}

static void add_seed(const struct chat *t, uint64_t seed)
{
    if (t->c->model->form == 'b')
        buf_printf(t->out, "%" PRIu64, seed);
    else
        buf_puts(t->out, "null");
}

/* Made up, and the same for the same text. */
static int token_id(struct span text) { return (int)(sim_text_hash(text.p, text.n, 1) % 100000); }

static void add_logprob(struct buf *b, struct span text)
{
    buf_printf(b, "-0.%04d", token_id(text) % 10000);
}

/* ---- whole answers ---- */

enum logprob_list { TOKEN_IDS, TOKENS, TOKEN_LOGPROBS };

static void add_list(struct buf *b, enum logprob_list list, struct span text)
{
    for (bool first = true; text.n; first = false) {
        struct span piece = {text.p, sim_text_piece(text.p, text.n)};

        buf_puts(b, first ? "" : ", ");
        switch (list) {
        case TOKEN_IDS: buf_int(b, token_id(piece)); break;
        case TOKENS: json_add_string(b, piece.p, piece.n); break;
        case TOKEN_LOGPROBS: add_logprob(b, piece); break;
        }
        text.p += piece.n;
        text.n -= piece.n;
    }
}

/* Together's own form: lists beside each other. */
static void add_logprobs(const struct chat *t, struct span text)
{
    static const char *const names[] = {
        [TOKEN_IDS] = "token_ids", [TOKENS] = "tokens", [TOKEN_LOGPROBS] = "token_logprobs"};

    if (!t->c->logprobs) {
        buf_puts(t->out, "null");
        return;
    }
    for (enum logprob_list list = TOKEN_IDS; list <= TOKEN_LOGPROBS; list++) {
        buf_printf(t->out, "%s\"%s\": [", list == TOKEN_IDS ? "{" : ", ", names[list]);
        add_list(t->out, list, text);
        buf_putc(t->out, ']');
    }
    buf_putc(t->out, '}');
}

static void print_message(const struct chat *t, const struct sim_choice *ch)
{
    struct buf *b = t->out;

    buf_puts(b, "\n      \"message\": {\n        \"role\": \"assistant\",\n        \"content\": ");
    if (ch->tool_calls.p && !ch->content.n)
        buf_puts(b, "null");
    else
        json_add_string(b, ch->content.p, ch->content.n);
    buf_puts(b, ",\n        \"tool_calls\": ");
    if (ch->tool_calls.p)
        buf_add_span(b, ch->tool_calls);
    else
        buf_puts(b, "[]");
    if (t->c->model->reasoning) {
        buf_printf(b, ",\n        \"%s\": ", t->c->model->reasoning);
        json_add_string(b, ch->reasoning.p, ch->reasoning.n);
    }
    buf_puts(b, "\n      },");
}

static void print_choice(const struct chat *t, int64_t index)
{
    struct sim_choice ch;
    struct buf *b = t->out;

    sim_answer_make(t->c, index, &ch);
    buf_puts(b, index ? ",\n    {\n      \"index\": " : "\n    {\n      \"index\": ");
    buf_int(b, index);
    buf_putc(b, ',');
    if (t->is_chat) {
        print_message(t, &ch);
    } else {
        add_field(b, "\n      \"text\": ", ch.content);
        buf_putc(b, ',');
    }
    buf_puts(b, "\n      \"logprobs\": ");
    add_logprobs(t, ch.content);
    buf_puts(b, ",\n      \"finish_reason\": \"");
    buf_puts(b, ch.finish);
    buf_puts(b, "\",\n      \"seed\": ");
    add_seed(t, ch.seed);
    buf_puts(b, "\n    }");
}

static void print_whole(const struct chat *t)
{
    struct buf *b = t->out;

    buf_puts(b, "{\n  \"id\": \"");
    buf_puts(b, t->id);
    buf_puts(b, t->is_chat ? "\",\n  \"object\": \"chat.completion\",\n  \"created\": "
                           : "\",\n  \"object\": \"text.completion\",\n  \"created\": ");
    buf_int(b, t->created);
    buf_puts(b, ",\n  \"model\": \"");
    buf_puts(b, t->c->model->id);
    buf_puts(b, "\",");
    if (t->c->model->form == 'a')
        buf_puts(b, "\n  \"metadata\": {\n    \"weight_version\": \"default\"\n  },");
    buf_puts(b, "\n  \"prompt\": [],\n  \"choices\": [");
    for (int64_t i = 0; i < t->n; i++)
        print_choice(t, i);
    buf_puts(b, "\n  ],\n  \"usage\": ");
    add_usage(t, true);
    buf_puts(b, "\n}");
}

/* ---- streams ---- */

enum chunk_kind { CHUNK_FIRST, CHUNK_THOUGHT, CHUNK_TEXT, CHUNK_TOOLS, CHUNK_END };

static void chunk_open(const struct chat *t)
{
    buf_printf(t->out, "data: {\"id\":\"%s\",\"object\":\"%s\",\"created\":%" PRId64 ",", t->id,
               t->is_chat ? "chat.completion.chunk" : "completion.chunk", t->created);
}

/* usage: -1 leaves the member out, 0 null, 1 the numbers. */
static void chunk_close(const struct chat *t, int usage)
{
    struct buf *b = t->out;

    add_field(b, ",\"model\":", (struct span){t->c->model->id, strlen(t->c->model->id)});
    if (usage >= 0)
        buf_puts(b, ",\"usage\":");
    if (usage == 0)
        buf_puts(b, "null");
    else if (usage > 0)
        add_usage(t, false);
    buf_puts(b, "}\n\n");
    sim_reply_cut(&t->c->reply);
}

static void add_delta(const struct chat *t, enum chunk_kind kind, struct span text, struct span all)
{
    struct buf *b = t->out;
    const struct span none = {"", 0};

    add_field(b, "\"delta\":{\"token_id\":null,\"role\":\"assistant\",\"content\":",
              kind == CHUNK_TEXT ? text : none);
    if (t->c->model->reasoning) {
        buf_printf(b, ",\"%s\":", t->c->model->reasoning);
        if (kind == CHUNK_THOUGHT)
            json_add_string(b, text.p, text.n);
        else
            buf_puts(b, "null");
    }
    if (kind == CHUNK_TOOLS || t->c->model->form == 'b') {
        buf_puts(b, ",\"tool_calls\":");
        if (kind == CHUNK_TOOLS)
            buf_add_span(b, all);
        else
            buf_puts(b, "null");
    }
    buf_putc(b, '}');
}

static void print_chunk(const struct chat *t, int64_t index, enum chunk_kind kind, struct span text,
                        const struct sim_choice *ch)
{
    struct buf *b = t->out;
    bool ends = kind == CHUNK_END,
         usage_here = ends && t->c->model->form == 'b' && index + 1 == t->n;

    chunk_open(t);
    if (!t->is_chat) {
        add_field(
            b, "\"token\":{\"id\":-1,\"text\":", kind == CHUNK_TEXT ? text : (struct span){"", 0});
        buf_puts(b, ",\"logprob\":0,\"special\":false},");
    }
    buf_printf(b, "\"choices\":[{\"index\":%" PRId64, index);
    add_field(b, ",\"text\":", kind == CHUNK_TEXT ? text : (struct span){"", 0});
    buf_puts(b, ",\"logprobs\":");
    if (t->c->logprobs && kind == CHUNK_TEXT)
        add_logprob(b, text);
    else
        buf_puts(b, "null");
    buf_printf(b, ",\"finish_reason\":%s%s%s,", ends ? "\"" : "", ends ? ch->finish : "null",
               ends ? "\"" : "");
    if (t->c->model->form == 'b') {
        buf_puts(b, "\"seed\":");
        if (ends)
            add_seed(t, ch->seed);
        else
            buf_puts(b, "null");
        buf_putc(b, ',');
    }
    if (t->is_chat)
        add_delta(t, kind, text, ch->tool_calls);
    else
        b->n--; /* the comma */
    buf_puts(b, "}]");
    if (!t->is_chat)
        buf_printf(b, ",\"finish_reason\":%s%s%s", ends ? "\"" : "", ends ? ch->finish : "null",
                   ends ? "\"" : "");
    chunk_close(t, kind == CHUNK_FIRST ? -1 : usage_here);
}

static void print_text(const struct chat *t, int64_t index, enum chunk_kind kind, struct span text,
                       const struct sim_choice *ch)
{
    while (text.n) {
        size_t n = sim_text_piece(text.p, text.n);
        print_chunk(t, index, kind, (struct span){text.p, n}, ch);
        text.p += n;
        text.n -= n;
    }
}

static void print_stream(const struct chat *t)
{
    struct sim_choice ch;
    struct span none = {"", 0};

    t->c->reply.chunked = true;
    t->c->reply.type = "text/event-stream;charset=utf-8";
    buf_puts(&t->c->reply.head, "Cache-Control: no-cache, no-transform\r\n");
    for (int64_t i = 0; i < t->n; i++) {
        sim_answer_make(t->c, i, &ch);
        if (t->is_chat && t->c->model->form == 'a')
            print_chunk(t, i, CHUNK_FIRST, none, &ch);
        print_text(t, i, CHUNK_THOUGHT, ch.reasoning, &ch);
        if (ch.tool_calls.p)
            print_chunk(t, i, CHUNK_TOOLS, none, &ch);
        print_text(t, i, CHUNK_TEXT, ch.content, &ch);
        print_chunk(t, i, CHUNK_END, none, &ch);
    }
    if (t->c->model->form == 'a') {
        chunk_open(t);
        buf_puts(t->out, "\"choices\":[]");
        chunk_close(t, 1);
    }
    buf_puts(t->out, "data: [DONE]\n\n");
    sim_reply_cut(&t->c->reply);
}

/* ---- the two endpoints ---- */

static void complete(struct sim_call *c, bool is_chat)
{
    struct chat t = {.c = c, .out = &c->reply.body, .is_chat = is_chat, .n = 1};

    if (!sim_call_model(c, is_chat ? TASK_CHAT : TASK_CHAT | TASK_COMPLETION) ||
        !(is_chat ? sim_prompt_messages(c)
                  : sim_prompt_texts(c, "prompt", c->body.prompt, false)) ||
        !sim_call_int(c, "max_tokens", c->body.max_tokens, 1, INT32_MAX, &c->max_tokens) ||
        !sim_call_int(c, "n", c->body.n, 1, 128, &t.n) || !sim_call_sampling(c) ||
        !sim_call_fits(c))
        return;
    if (!json_absent(c->body.stream) && !json_read_bool(c->body.stream, &t.stream)) {
        sim_call_error(c, 400, "invalid_request_error", "stream", NULL,
                       "Input validation error: stream must be a boolean");
        return;
    }
    t.created = clock_wall_ms() / 1000;
    sim_call_id(c, t.id);
    c->cached_tokens = c->prompt_tokens * c->model->cached_percent / 100;
    if (t.stream)
        print_stream(&t);
    else
        print_whole(&t);
    sim_call_answered(c);
}

void sim_on_chat(struct sim_call *c) { complete(c, true); }

void sim_on_completion(struct sim_call *c) { complete(c, false); }
