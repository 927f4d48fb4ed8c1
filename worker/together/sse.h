/* sse.h - a reader of server-sent events, for bytes that are cut anywhere.
 *
 *     struct sse sse;
 *     sse_init(&sse, 1 << 20, on_event, arg);
 *     while (bytes come) if (!sse_feed(&sse, p, n)) stop;
 *     sse_end(&sse); sse_done(&sse);
 *
 * Only `data` matters: other fields and comments are skipped, several data
 * lines of one event are joined by a newline, lines end in LF, CR LF or CR.
 */
#ifndef FLOTILLA_TOGETHER_SSE_H
#define FLOTILLA_TOGETHER_SSE_H

#include "common/core/base.h"
#include "common/core/buf.h"

/* The data of one event, borrowed for the call; return false to read no more. */
typedef bool sse_event(void *arg, struct span data);

struct sse {
    struct buf line, data; /* an unfinished line; the data lines of an unfinished event */
    sse_event *on_event;
    void *arg;
    bool begun;     /* the first line is behind us (a byte order mark may stand before it) */
    bool after_cr;  /* a LF now belongs to the CR before it */
    bool has_data;  /* the event has a data line, be it empty */
    bool stopped;   /* on_event said so, or too_large */
    bool too_large; /* an event went over max_event_bytes */
};

/* max_event_bytes: cap of one line and of the data of one event. */
void sse_init(struct sse *s, size_t max_event_bytes, sse_event *on_event, void *arg);
void sse_done(struct sse *s);
/* False once the reader has stopped; what comes then is ignored. */
NODISCARD bool sse_feed(struct sse *s, const char *p, size_t n);
/* The bytes ended.  An event that lacks its blank line is told only when it is "[DONE]" or whole
 * JSON. */
void sse_end(struct sse *s);

#endif
