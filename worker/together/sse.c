/* sse.c - a reader of server-sent events.
 *
 *   bytes ─▶ lines ─▶ data lines, joined ─(blank line)─▶ on_event
 *
 * Cuts are harmless because nothing is looked at before its line is whole: not
 * the name of a field, not a character of several bytes.  A line that lies
 * whole in the bytes that came is not copied before its data is.
 */
#include "worker/together/sse.h"

#include <string.h>

#include "common/core/json.h"

static const char byte_order_mark[] = "\xef\xbb\xbf";

void sse_init(struct sse *s, size_t max_event_bytes, sse_event *on_event, void *arg)
{
    *s = (struct sse){.line = BUF(max_event_bytes),
                      .data = BUF(max_event_bytes),
                      .on_event = on_event,
                      .arg = arg};
}

void sse_done(struct sse *s)
{
    buf_done(&s->line);
    buf_done(&s->data);
}

static void tell(struct sse *s)
{
    if (s->has_data && !s->on_event(s->arg, buf_span(&s->data)))
        s->stopped = true;
    s->has_data = false;
    buf_clear(&s->data);
}

/* A whole line, without its end. */
static void read_line(struct sse *s, const char *p, size_t n)
{
    if (!s->begun && n >= 3 && !memcmp(p, byte_order_mark, 3)) {
        p += 3;
        n -= 3;
    }
    s->begun = true;
    if (n == 0) {
        tell(s);
        return;
    }
    if (n < 4 || memcmp(p, "data", 4) != 0 || (n > 4 && p[4] != ':'))
        return;
    p += n > 4 ? 5 : 4;
    n -= n > 4 ? 5 : 4;
    if (n > 0 && *p == ' ') {
        p++;
        n--;
    }
    if (s->has_data)
        buf_putc(&s->data, '\n');
    buf_add(&s->data, p, n);
    s->has_data = true;
    s->too_large = buf_failed(&s->data);
}

/* The end of a line that may have begun in bytes that came before. */
static void end_line(struct sse *s, const char *p, size_t n)
{
    if (s->line.n == 0) {
        read_line(s, p, n);
        return;
    }
    if (buf_add(&s->line, p, n))
        read_line(s, s->line.p, s->line.n);
    else
        s->too_large = true;
    buf_clear(&s->line);
}

static const char *find_end(const char *p, const char *end)
{
    const char *lf = memchr(p, '\n', (size_t)(end - p));
    const char *cr = memchr(p, '\r', (size_t)((lf ? lf : end) - p));

    return cr ? cr : lf;
}

bool sse_feed(struct sse *s, const char *p, size_t n)
{
    const char *end = p + n;

    while (p < end && !s->stopped) {
        const char *eol;

        if (s->after_cr && *p == '\n') {
            s->after_cr = false;
            p++;
            continue;
        }
        s->after_cr = false;
        eol = find_end(p, end);
        if (eol)
            end_line(s, p, (size_t)(eol - p));
        else if (!buf_add(&s->line, p, (size_t)(end - p)))
            s->too_large = true;
        s->after_cr = eol && *eol == '\r';
        s->stopped = s->stopped || s->too_large;
        p = eol ? eol + 1 : end;
    }
    return !s->stopped;
}

/* JSON, be it with halves of surrogate pairs that another event completes. */
static bool is_json(struct span data)
{
    struct buf copy = BUF(data.n);
    bool is = json_valid(data.p, data.n) || json_mend(data, &copy);

    buf_done(&copy);
    return is;
}

void sse_end(struct sse *s)
{
    struct span data;

    if (!s->stopped && s->line.n)
        end_line(s, "", 0);
    data = buf_span(&s->data);
    if (!s->stopped && !s->too_large && s->has_data &&
        ((data.n == 6 && !memcmp(data.p, "[DONE]", 6)) ||
         (data.n && *data.p == '{' && is_json(data))))
        tell(s);
    s->stopped = true;
}
