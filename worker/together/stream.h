/* stream.h - a streamed answer, put together into the answer that would have come at once.
 *
 *     struct together_stream *st = together_stream_new(task, max_event_bytes, max_answer_bytes);
 *     ... on bytes:  if (!together_stream_feed(st, p, n)) the call may be cut
 *     together_stream_end(st, outcome == HTTP_ANSWERED, &reply, &body);
 *     together_stream_free(st);
 *
 * For chat and completions that were asked for with "stream": true and answered
 * with status 200; any other status is a case for together_reply_read.
 */
#ifndef FLOTILLA_TOGETHER_STREAM_H
#define FLOTILLA_TOGETHER_STREAM_H

#include "common/core/base.h"
#include "worker/together/reply.h"

struct together_stream;

struct together_stream *together_stream_new(unsigned task, size_t max_event_bytes,
                                            size_t max_answer_bytes);
void together_stream_free(struct together_stream *st); /* NULL is fine */
/* False once nothing more is needed: [DONE] came, or a failure. */
NODISCARD bool together_stream_feed(struct together_stream *st, const char *p, size_t n);
/* Each chunk (one JSON object, but that a surrogate pair may be cut in two between chunks) that is
 * good is told as it came, before together_stream_feed returns; neither [DONE] nor an error in the
 * stream is. */
typedef void together_chunk_cb(void *arg, struct span chunk);
void together_stream_tell(struct together_stream *st, together_chunk_cb *cb, void *arg);
bool together_stream_is_done(const struct together_stream *st);   /* [DONE] came */
int64_t together_stream_chunks(const struct together_stream *st); /* so many came */

/* The bytes ended; clean: by the server's will, not by a broken connection.  Good (kind ERR_NONE)
 * when every choice has its finish_reason and either [DONE] came or the end was clean and usage had
 * come; then *ret_body is the answer, which with the spans of *ret lives as long as st.  Else the
 * kind is that of the error in the stream, ANSWER_LOST, BAD_ANSWER or ANSWER_TOO_LARGE, and
 * *ret_body is empty. */
void together_stream_end(struct together_stream *st, bool clean, struct together_reply *ret,
                         struct span *ret_body);

#endif
