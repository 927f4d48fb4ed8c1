/* answer.h - a complete answer, whatever frame its bytes came in.
 *
 *     struct together_answer a;
 *     together_answer_read(task, status, bytes, &reply, &a);
 *     ... reply, a.body ...
 *     together_answer_done(&a);
 *
 * Headers do not decide: providers and gateways send JSON under text/event-stream, events under
 * application/json, and events to calls that asked for none.  The first bytes say what it is:
 *
 *   JSON                 read as it is
 *   JSON, then events    the JSON is read; "data: [DONE]" behind it is ignored
 *   events               put together as a stream (stream.h); of a refusal, the first one is read
 *
 * A text that was cut inside a character is repaired, because it was paid for.
 */
#ifndef FLOTILLA_TOGETHER_ANSWER_H
#define FLOTILLA_TOGETHER_ANSWER_H

#include "common/core/buf.h"
#include "worker/together/reply.h"

struct together_answer {
    struct span body; /* the JSON text of a good answer; else empty */
    /* private: the memory of body, and of the reply's spans */
    struct buf mended;
    struct together_stream *stream;
};

/* bytes: borrowed until together_answer_done. */
void together_answer_read(unsigned task, int http_status, struct span bytes,
                          struct together_reply *reply, struct together_answer *ret);
void together_answer_done(struct together_answer *a);

#endif
