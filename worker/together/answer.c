/* answer.c - see answer.h. */
#include "worker/together/answer.h"

#include <string.h>

#include "common/core/json.h"
#include "common/core/json_scan.h"
#include "worker/together/sse.h"
#include "worker/together/stream.h"

enum { MEMBERS_BYTES = 65536 }; /* what the members of an answer take beside their text */

/* What the first line of events may begin with. */
static const char *const fields[] = {"data", "event", "error", "id", "retry", ":"};

static struct span without_blanks(struct span v)
{
    if (v.n >= 3 && !memcmp(v.p, "\xef\xbb\xbf", 3))
        v.p += 3, v.n -= 3;
    while (v.n && strchr(" \t\r\n", *v.p) && *v.p)
        v.p++, v.n--;
    return v;
}

static bool is_events(struct span v)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        size_t n = strlen(fields[i]);

        if (v.n >= n && !memcmp(v.p, fields[i], n) &&
            (*fields[i] == ':' || (v.n > n && (v.p[n] == ':' || v.p[n] == '\n'))))
            return true;
    }
    return false;
}

/* ---- events ---- */

static void read_stream(unsigned task, struct span bytes, struct together_reply *reply,
                        struct together_answer *a)
{
    a->stream = together_stream_new(task, bytes.n, bytes.n + MEMBERS_BYTES);
    (void)!together_stream_feed(a->stream, bytes.p, bytes.n);
    together_stream_end(a->stream, true, reply, &a->body);
}

static bool keep_first(void *arg, struct span name, struct span data)
{
    (void)name;
    buf_add_span(arg, data);
    return false;
}

/* The words of a refusal that came as an event. */
static void read_refusal(int status, struct span bytes, struct together_reply *reply,
                         struct together_answer *a)
{
    struct sse sse;

    a->mended = BUF(bytes.n);
    sse_init(&sse, bytes.n, keep_first, &a->mended);
    if (sse_feed(&sse, bytes.p, bytes.n))
        sse_end(&sse);
    sse_done(&sse);
    together_refusal_read(status, a->mended.n ? buf_span(&a->mended) : bytes, reply);
}

/* ---- JSON ---- */

/* The JSON value in front, when nothing but events stands behind it; else all. */
static struct span without_events(struct span v)
{
    const char *end = v.n ? json_skip_value(v.p, v.p + v.n, JSON_OWN_DEPTH) : NULL;
    struct span rest, value;

    if (!end)
        return v;
    value = (struct span){v.p, (size_t)(end - v.p)};
    rest = without_blanks((struct span){end, v.n - value.n});
    return is_events(rest) ? value : v;
}

static void read_json(unsigned task, int status, struct span bytes, struct together_reply *reply,
                      struct together_answer *a)
{
    a->body = without_events(bytes);
    together_reply_read(task, status, a->body, reply);
    if (reply->kind != ERR_BAD_ANSWER)
        return;
    a->mended = BUF(a->body.n);
    if (!json_mend(a->body, &a->mended))
        return;
    a->body = buf_span(&a->mended);
    together_reply_read(task, status, a->body, reply);
}

void together_answer_read(unsigned task, int http_status, struct span bytes,
                          struct together_reply *reply, struct together_answer *ret)
{
    struct span text = without_blanks(bytes);
    bool good = http_status >= 200 && http_status <= 299;

    *ret = (struct together_answer){0};
    if (is_events(text) && good)
        read_stream(task, bytes, reply, ret);
    else if (is_events(text))
        read_refusal(http_status, bytes, reply, ret);
    else
        read_json(task, http_status, good ? text : bytes, reply, ret);
    if (reply->kind != ERR_NONE)
        ret->body = (struct span){0};
}

void together_answer_done(struct together_answer *a)
{
    together_stream_free(a->stream);
    buf_done(&a->mended);
    *a = (struct together_answer){0};
}
