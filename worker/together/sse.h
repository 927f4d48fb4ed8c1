/* sse.h - a reader of server-sent events, for bytes that are cut anywhere.
 *
 *     struct sse sse;
 *     sse_init(&sse, 1 << 20, on_event, arg);
 *     while (bytes come) if (!sse_feed(&sse, p, n)) stop;
 *     sse_end(&sse); sse_done(&sse);
 *
 * `data` and the name in `event` are read; other fields and comments are skipped.  Several data
 * lines of one event are joined by a newline, lines end in LF, CR LF or CR.  A field `error`, which
 * some gateways write, is an event of that name.
 */
#ifndef FLOTILLA_TOGETHER_SSE_H
#define FLOTILLA_TOGETHER_SSE_H

#include "common/core/base.h"
#include "common/core/buf.h"

/* The name ("" when it has none, cut at SSE_NAME_MAX) and data of one event, borrowed for the call;
 * return false to read no more. */
typedef bool sse_event(void *arg, struct span name, struct span data);

enum { SSE_NAME_MAX = 31 };

struct sse {
    struct buf line, data; /* an unfinished line; the data lines of an unfinished event */
    sse_event *on_event;
    void *arg;
    char name[SSE_NAME_MAX + 1];
    size_t name_n;
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
/* The bytes ended.  An event that lacks its blank line is passed on only when it is "[DONE]", an
 * error, or whole JSON. */
void sse_end(struct sse *s);

#endif
