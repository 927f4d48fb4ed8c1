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

static void sse_tell(struct sse *s)
{
    if (s->has_data && !s->on_event(s->arg, (struct span){s->name, s->name_n}, buf_span(&s->data)))
        s->stopped = true;
    s->has_data = false;
    s->name_n = 0;
    buf_clear(&s->data);
}

/* The value of a field, when the line is of that field. */
static bool is_field(const char *name, const char *p, size_t n, struct span *ret_value)
{
    size_t len = strlen(name);

    if (n < len || memcmp(p, name, len) != 0 || (n > len && p[len] != ':'))
        return false;
    p += n > len ? len + 1 : len;
    n -= n > len ? len + 1 : len;
    *ret_value = n > 0 && *p == ' ' ? (struct span){p + 1, n - 1} : (struct span){p, n};
    return true;
}

static void set_name(struct sse *s, struct span name)
{
    s->name_n = name.n < SSE_NAME_MAX ? name.n : SSE_NAME_MAX;
    memcpy(s->name, name.p, s->name_n);
}

/* A whole line, without its end. */
static void read_line(struct sse *s, const char *p, size_t n)
{
    struct span value;

    if (!s->begun && n >= 3 && !memcmp(p, byte_order_mark, 3)) {
        p += 3;
        n -= 3;
    }
    s->begun = true;
    if (n == 0) {
        sse_tell(s);
        return;
    }
    if (is_field("event", p, n, &value)) {
        set_name(s, value);
        return;
    }
    if (is_field("error", p, n, &value))
        set_name(s, (struct span){"error", 5});
    else if (!is_field("data", p, n, &value))
        return;
    if (s->has_data)
        buf_putc(&s->data, '\n');
    buf_add_span(&s->data, value);
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
        (span_is(data, "[DONE]") || (s->name_n == 5 && !memcmp(s->name, "error", 5)) ||
         (data.n && *data.p == '{' && is_json(data))))
        sse_tell(s);
    s->stopped = true;
}
