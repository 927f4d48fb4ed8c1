/* inference_stream.c - calls whose body says "stream": true.
 *
 *   head ─▶ 200? ───────────── no ─▶ an answer like any other (inference_call.c)
 *              │ yes
 *   bytes ─────┴─▶ together_stream ─▶ chunks, for who reads along (worker/inference/chunks.h)
 *                       │
 *   end ────────────────┴─▶ whole: inference_answered, as if it had come at once
 *                           an error amid it: the same, with what the error says
 *                           broken off, silent: inference_lost
 *
 * There is no total time-out but a generous cap: until the first byte of the
 * body the job's timeout_ms counts, from then on the silence.  After [DONE]
 * the connection gets a moment to end by itself, so that it can be used again.
 *
 * Blame: bytes are read inside of the job's name (RUN_SCOPE). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/core/xalloc.h"
#include "common/queue/job.h"
#include "worker/inference/chunks.h"
#include "worker/inference/inference.h"
#include "worker/together/stream.h"

enum {
    EVENT_BYTES = 4 * 1024 * 1024, /* one event; answers may be larger */
    WIRE_FACTOR = 64,              /* a token of 4 bytes comes in a chunk of 250 */
    GRACE_MS = 1000                /* from [DONE] to the end of the connection */
};

struct inference_stream {
    struct run *run;
    struct http_call *call;
    struct together_stream *st; /* NULL: not begun, or no stream came */
    bool begun;                 /* readers know of this call */
    struct loop_timer *grace;
};

/* ---- life ---- */

struct inference_stream *inference_stream_new(struct run *r, struct http_request *q)
{
    struct inference_stream *s = xcalloc(1, sizeof *s);
    const struct config *cfg = r->p->env.cfg;

    s->run = r;
    q->timeout_ms = cfg->limits_stream_max_ms;
    q->first_byte_ms = r->job.timeout_ms;
    q->idle_timeout_ms = cfg->limits_stream_idle_ms;
    q->max_stream_bytes = (size_t)cfg->limits_answer_bytes * WIRE_FACTOR;
    return s;
}

void inference_stream_free(struct inference_stream *s)
{
    if (!s)
        return;
    loop_cancel(&s->grace);
    together_stream_free(s->st);
    free(s);
}

/* ---- for who reads along ---- */

/* As the cost event of this call will be named, without the job's id. */
static void begin_chunks(struct run *r)
{
    struct inference *i = r->state;
    char call[64];
    struct buf name = BUF_ON(call);

    cost_add_call(&name, &r->held, r->held.attempts + 1, r->calls + 1);
    if (!i->chunks)
        i->chunks = chunks_open(r->p->chunks, r->id, r->held.run);
    chunks_call(i->chunks, r->held.attempts + 1, call);
}

static void tell_chunk(void *arg, struct span chunk)
{
    struct inference_stream *s = arg;
    struct inference *i = s->run->state;

    if (!s->begun)
        begin_chunks(s->run);
    s->begun = true;
    i->passed_on = true;
    chunks_add(i->chunks, chunk);
}

/* The run is over: its end is written for the readers. */
void inference_stream_over(struct run *r)
{
    struct inference *i = r->state;
    const char *end = r->outcome ? job_state_name(r->outcome) : i->chunks ? "again" : NULL;

    if (r->stale)
        end = NULL; /* somebody else has this job */
    else if (i->req.stream && !i->chunks && end)
        i->chunks = chunks_open(r->p->chunks, r->id, r->held.run);
    chunks_close(&i->chunks, end);
}

/* ---- the answer comes ---- */

/* The first bytes decide, not the content type (together/stream.h). */
bool inference_stream_head(struct inference_stream *s, const struct http_reply *head)
{
    struct run *r = s->run;
    const struct inference *i = r->state;
    size_t most = (size_t)r->p->env.cfg->limits_answer_bytes;

    if (head->status != 200)
        return false;
    s->st = together_stream_new(i->req.task, most < EVENT_BYTES ? most : EVENT_BYTES, most);
    together_stream_tell(s->st, tell_chunk, s);
    return true;
}

static void on_grace(void *arg)
{
    struct inference_stream *s = arg;

    s->grace = NULL;
    http_cancel(s->call);
}

bool inference_stream_data(struct inference_stream *s, struct http_call *call, const char *p,
                           size_t n)
{
    struct loop *loop = s->run->p->env.loop;
    RUN_SCOPE(s->run);
    bool more = together_stream_feed(s->st, p, n);

    if (!more && together_stream_is_done(s->st)) {
        s->call = call;
        if (!s->grace)
            s->grace = loop_after(loop, GRACE_MS, on_grace, s);
        return true;
    }
    return more;
}

/* ---- the end ---- */

/* What HTTP says of a stream that is not whole: an end in good order is none. */
static void broken(struct run *r, const struct inference_answer *a)
{
    struct http_reply reply = *a->http;

    if (reply.outcome == HTTP_ANSWERED || reply.outcome == HTTP_CANCELLED) {
        reply.outcome = a->reply.kind == ERR_ANSWER_TOO_LARGE ? HTTP_TOO_LARGE : HTTP_CUT;
        reply.detail = a->reply.message;
    }
    inference_lost(r, &reply);
}

bool inference_stream_done(struct inference_stream *s, const struct http_reply *reply)
{
    struct run *r = s->run;
    struct inference_answer a = {.http = reply};
    const struct together_reply *t = &a.reply;

    if (!s->st)
        return false;
    together_stream_end(s->st, reply->outcome == HTTP_ANSWERED, &a.reply, &a.body);
    a.began = together_stream_chunks(s->st) > 0;
    if ((t->kind == ERR_ANSWER_LOST && !t->usage.there) || t->kind == ERR_ANSWER_TOO_LARGE)
        broken(r, &a);
    else
        inference_answered(r, &a);
    return true;
}
