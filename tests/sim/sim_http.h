/* sim_http.h - reads HTTP/1.1 requests out of a growing buffer.
 *
 * The caller keeps the bytes of one connection in one piece and calls
 * sim_http_parse again whenever more came; positions are offsets, so the bytes
 * may move in between.  Bodies come by Content-Length or chunked (decoded in
 * place).  Strict where it matters for a simulator of a server behind a proxy:
 * two lengths, a length beside chunks, a bare LF, a blank before the colon and
 * a missing Host are refused.
 *
 * Bounds: SIM_HTTP_HEAD_MAX bytes of head, SIM_HTTP_BODY_MAX bytes of body.
 */
#ifndef FLOTILLA_SIM_HTTP_H
#define FLOTILLA_SIM_HTTP_H

#include "common/core/base.h"

#define SIM_HTTP_HEAD_MAX ((size_t)64 * 1024)
#define SIM_HTTP_BODY_MAX ((size_t)64 * 1024 * 1024)

enum sim_http_state {
    SIM_HTTP_MORE, /* not complete yet */
    SIM_HTTP_DONE, /* a whole request; `total` bytes of the buffer belong to it */
    SIM_HTTP_BAD   /* cannot be read: answer `status` and close */
};

/* A run of bytes inside the buffer. */
struct sim_http_part {
    size_t at, n;
};

struct sim_http {
    /* what is known once the head is read (head_bytes > 0) */
    struct sim_http_part method, path, query; /* query without '?' */
    struct sim_http_part headers;             /* all header lines */
    struct sim_http_part authorization, content_type, range;
    size_t head_bytes;
    bool keep_alive, chunked, expects_continue;
    /* what is known when DONE */
    struct sim_http_part body;
    size_t total;
    int status; /* when BAD: 400, 413, 431, 501 or 505 */
    /* where reading goes on; private */
    size_t scanned, length, chunk_at, chunk_left;
    bool has_length, has_host, in_trailer;
};

/* Start on the next request; the buffer must begin with it. */
void sim_http_init(struct sim_http *h);
/* Read on.  p may be written to: chunked bodies are moved together. */
enum sim_http_state sim_http_parse(struct sim_http *h, char *p, size_t n);
/* The value of the named header (any case), trimmed; {NULL, 0} when absent. */
struct span sim_http_header(const struct sim_http *h, const char *p, const char *name);
/* Walk all headers: *at starts at 0; false after the last. */
bool sim_http_next_header(const struct sim_http *h, const char *p, size_t *at, struct span *name,
                          struct span *value);
/* The bytes of a part. */
static inline struct span sim_http_span(struct sim_http_part part, const char *p)
{
    return (struct span){p + part.at, part.n};
}
/* The value of `name` in a query or form "a=1&b=2", percent-decoded into text; false when absent or
 * too long. */
bool sim_http_query(struct span query, const char *name, char *text, size_t size);

#endif
