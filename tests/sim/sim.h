/* sim.h - the simulator: everything that its parts share.
 *
 *   sim_server  connections: bytes in, bytes out, delays, cuts
 *      │ a request (struct sim_call)            ▲ its reply
 *      ▼                                        │
 *   sim_call    key? fault? rate? ── routes.def ──▶ a handler (sim_chat.c, ...)
 *
 * The handlers are plain functions from a request to a reply; only the server
 * knows sockets and time.  One thread, no globals.
 */
#ifndef FLOTILLA_SIM_H
#define FLOTILLA_SIM_H

#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/err.h"
#include "tests/sim/sim_answers.h"
#include "tests/sim/sim_fault.h"
#include "tests/sim/sim_files.h"
#include "tests/sim/sim_hooks.h"
#include "tests/sim/sim_http.h"
#include "tests/sim/sim_ledger.h"
#include "tests/sim/sim_model.h"

#define SIM_REPLY_MAX ((size_t)512 * 1024 * 1024)

struct sim {
    const char *require_key; /* only this bearer is accepted; NULL: any or none */
    const char *script;      /* applied at start and after every reset; NULL: none */
    bool bill_aborted;
    int port; /* where it listens, for addresses in answers */
    struct sim_models models;
    struct sim_ledger ledger;
    struct sim_faults faults, hook_rules;
    struct sim_hooks hooks;
    struct sim_files files;
    struct sim_answers *answers;
    uint64_t serial; /* of the next request, for ids */
};

/* After the fields above are set: the models with their prices, then the script. */
NODISCARD bool sim_init(struct sim *s, int64_t latency_ms, struct err *err);
void sim_done(struct sim *s);
/* Back to the state after start (POST /_sim/reset). */
NODISCARD bool sim_reset(struct sim *s, struct err *err);

/* ---- one request ---- */

/* The members of a request's JSON body that the handlers read; raw, absent ones are {NULL, 0}. */
struct sim_body {
    struct span model, messages, prompt, input, stream, max_tokens, n, response_format, tools,
        tool_choice, query, documents, top_n, return_documents, width, height,
        context_length_exceeded_behavior, temperature, top_p, top_k, min_p, repetition_penalty,
        presence_penalty, frequency_penalty, seed, logprobs;
};

struct sim_reply {
    int status;
    const char *type; /* Content-Type; static or NULL for JSON */
    struct buf head;  /* more header lines, each with CRLF */
    struct buf body;
    bool chunked; /* sent with Transfer-Encoding: chunked, one chunk per piece */
    bool plain;   /* none of the provider's own headers (/_sim answers) */
    size_t *ends; /* where the pieces of the body end; none: one piece */
    size_t pieces, pieces_cap;
    int64_t delay_ms; /* before the first byte */
    int64_t piece_ms; /* between pieces */
    enum sim_close close;
};

struct sim_route;

struct sim_call {
    struct sim *sim;
    const struct sim_route *route; /* NULL: no such path */
    struct sim_http http;
    const char *bytes;       /* what `http` points into; only during the handler */
    struct span id;          /* the {id} of the path, likewise */
    struct sim_body body;    /* likewise */
    struct sim_model *model; /* who answers; NULL when none */
    char name[256];          /* the body's model, unescaped; "" when it has none */
    char asked[128];         /* the same when it is unknown; else "" */
    const char *answer;      /* a fault's text for the model to say; or NULL */
    bool logprobs;           /* each token's probability is asked for */
    int64_t max_tokens, prompt_tokens, completion_tokens, reasoning_tokens, cached_tokens;
    int64_t cost_nanousd;
    bool complete;  /* an answer that is billed when it is written (2xx of a task) */
    bool truncated; /* a fault ended the stream before its end */
    bool running;   /* counted in model->in_flight */
    struct sim_ledger_ref item;
    uint64_t serial;
    struct buf prompt, text, scratch; /* for handlers; kept between requests */
    struct sim_reply reply;
};

void sim_call_init(struct sim_call *c, struct sim *s);
void sim_call_done(struct sim_call *c);
/* Answer the request in c->http: fills c->reply. */
void sim_call_run(struct sim_call *c, const char *bytes);
/* The reply is wholly written, or (not delivered) the client has gone.  Once per run. */
void sim_call_end(struct sim_call *c, bool delivered);

/* ---- for handlers ---- */

/* "om5F2Kx-2kFHot-a04666c029ada2f9", made from the serial. */
const char *sim_call_id(const struct sim_call *c, char text[48]);
/* Append "HOST:PORT", as the client called this server. */
void sim_call_host(const struct sim_call *c, struct buf *out);
/* Make the reply an error of the provider's usual shape; param and code may be NULL (null). */
void sim_call_error(struct sim_call *c, int status, const char *type, const char *param,
                    const char *code, const char *fmt, ...) PRINTF(6, 7);
/* The model of the body, if it is there, known and serves one of the tasks; else false and the
 * reply says 400, 404 or 400 "non-serverless". */
bool sim_call_model(struct sim_call *c, unsigned tasks);
/* prompt_tokens and max_tokens against the model's context; false: the reply says 403. */
bool sim_call_fits(struct sim_call *c);
/* The answer is made and its tokens are counted: price it and give it the model's latency. */
void sim_call_answered(struct sim_call *c);
/* Answer what the fault says instead of a handler; then, for any reply, bend it as the fault wants
 * (headers, delay, pieces, cut). */
void sim_call_replace(struct sim_call *c, const struct sim_fault *f);
void sim_call_bend(struct sim_call *c, const struct sim_fault *f);
/* A piece of the body ends here. */
void sim_reply_cut(struct sim_reply *r);
/* Read an optional integer member; false (and a 400) when it is there and not within bounds. */
bool sim_call_int(struct sim_call *c, const char *name, struct span value, int64_t min, int64_t max,
                  int64_t *ret);

/* The sampling parameters of a chat or completion: numbers; false (and a 400) when one is not. */
bool sim_call_sampling(struct sim_call *c);

/* ---- routes ---- */
struct sim_route {
    const char *method, *path; /* "/files/{id}/content"; without /v1 */
    void (*func)(struct sim_call *c);
    bool is_provider; /* keys, faults, rate, ledger apply; false: /_sim/... */
};
/* The route of a path with or without /v1; *ret_id gets what stands for {id} ({*}: the rest). */
const struct sim_route *sim_route_find(struct span method, struct span path, struct span *ret_id);
const char *sim_routes_help(void);

#endif
