/* herald.c - carries new alerts to the team's own webhook (section `alerts`).
 *
 *     stream alerts --read behind the cursor--> webhook jobs + cursor, one script
 *
 * Once a second the housekeeper reports the newest alert.  When it has changed,
 * the entries behind the cursor are read.  Each becomes a webhook job
 * `alert~<entry>`, which is signed, retried and subject to the circuit breaker
 * as any other.  Cursor and jobs are written together (errand.h), so each alert
 * becomes one job, whoever dies.
 *
 * What is older than MAX_AGE_MS is not told any more: after a long stop, or
 * when a URL is set for the first time, nobody wants last week's alerts.  An
 * alert about such a delivery itself is not told either: it would go the same
 * way, and so on for ever.  Of one code at most MOST go out in a minute, then
 * one that says so: thousands of ids in conflict are no thousands of messages.
 *
 * Another format: a writer and a row in `formats`, and its name in settings.def. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/json.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "common/queue/alert.h"
#include "scheduler/errand.h"
#include "scheduler/scheduler.h"

enum { LOOK_MS = 500, MAX_AGE_MS = 3600000, AT_ONCE = 20, CURSOR_MAX = 64, BODY_MAX = 1 << 18 };
enum { MINUTE_MS = 60000, MOST = 50, CODES = 64 };
#define WHAT   "alerts"
#define PREFIX "alert~"

struct herald {
    struct scheduler *s;
    struct loop_timer *timer;
    bool running, known; /* known: cursor is what Redis holds */
    bool more;           /* the last look was full */
    unsigned life;       /* answers to an earlier life are ignored */
    char cursor[CURSOR_MAX];
    char newest[CURSOR_MAX]; /* of the stream, as last reported */
    char asked[CURSOR_MAX];  /* the newest one when the entries were last read */
    char read[CURSOR_MAX];   /* all entries up to this one have been read; "": not known */
    struct cost_report {
        char code[65];
        int64_t since_ms; /* monotonic: when its minute began */
        int n;
    } told[CODES]; /* what is new takes the place of the oldest */
};

struct alert {
    struct span doc, code, subject, message; /* raw values */
    char code_text[65];
    int64_t at_ms;
};

/* ---- what is sent ---- */

static void write_standard(struct buf *b, const struct alert *a)
{
    char event[80], at[25];

    snprintf(event, sizeof event, "alert.%s", a->code_text);
    json_add_str(b, "type", event);
    json_add_str(b, "timestamp", clock_rfc3339(a->at_ms, at));
    json_add_raw(b, "data", a->doc);
}

/* Slack reads &, < and > as markup. */
static void add_slack(struct buf *b, const char *text)
{
    for (; *text; text++) {
        if (*text == '&')
            buf_puts(b, "&amp;");
        else if (*text == '<')
            buf_puts(b, "&lt;");
        else if (*text == '>')
            buf_puts(b, "&gt;");
        else
            buf_putc(b, *text);
    }
}

static void write_slack(struct buf *b, const struct alert *a)
{
    struct buf text = BUF(BODY_MAX), part = BUF(BODY_MAX);

    buf_printf(&text, "*%s*", a->code_text);
    if (json_read_string(a->subject, &part) && part.n) {
        buf_putc(&text, ' ');
        add_slack(&text, part.p);
    }
    buf_clear(&part);
    if (json_read_string(a->message, &part) && part.n) {
        buf_puts(&text, ": ");
        add_slack(&text, part.p);
    }
    json_add_key(b, "text");
    json_add_string(b, text.p, text.n);
    buf_done(&text);
    buf_done(&part);
}

static void (*const formats[])(struct buf *b, const struct alert *a) = {write_standard,
                                                                        write_slack};

static void write_job(const struct config *c, const struct alert *a, struct buf *b)
{
    buf_puts(b, "{\"type\":\"webhook\",\"payload\":{");
    json_add_str(b, "url", c->alerts_webhook_url);
    json_add_str(b, "sign", "alerts");
    json_add_key(b, "body");
    buf_putc(b, '{');
    formats[c->alerts_webhook_format](b, a);
    buf_puts(b, "}}}");
}

/* ---- which are sent ---- */

static bool read_alert(struct span doc, struct alert *a)
{
    struct span at = {NULL, 0};
    const struct json_want wants[] = {
        {"code", &a->code}, {"subject", &a->subject}, {"message", &a->message}, {"at", &at}};

    *a = (struct alert){.doc = doc, .at_ms = clock_wall_ms()};
    return json_pick(doc.p, doc.n, wants, ARRAY_LEN(wants)) &&
           json_read_text(a->code, a->code_text, sizeof a->code_text) &&
           (json_absent(at) || json_read_int(at, &a->at_ms));
}

static bool is_about_itself(const struct alert *a)
{
    return a->subject.n > sizeof PREFIX && !memcmp(a->subject.p + 1, PREFIX, sizeof PREFIX - 1);
}

static struct span doc_of(const struct reply *entry)
{
    const struct reply *fields = reply_at(entry, 1);

    for (size_t i = 0; i + 1 < reply_count(fields); i += 2)
        if (reply_is(reply_at(fields, i), "doc"))
            return reply_span(reply_at(fields, i + 1));
    return (struct span){NULL, 0};
}

/* How many of this code there were in its minute, this one included. */
static int count(struct herald *h, const char *code)
{
    int64_t now = clock_mono_ms();
    struct cost_report *t = &h->told[0];

    for (size_t i = 0; i < CODES && strcmp(t->code, code) != 0; i++)
        if (!strcmp(h->told[i].code, code) || h->told[i].since_ms < t->since_ms)
            t = &h->told[i];
    if (strcmp(t->code, code) != 0 || now - t->since_ms >= MINUTE_MS) {
        snprintf(t->code, sizeof t->code, "%s", code);
        t->since_ms = now;
        t->n = 0;
    }
    return ++t->n;
}

static void write_many(struct buf *b, const struct alert *a)
{
    char text[256];

    snprintf(text, sizeof text,
             "more than %d alerts of this code within a minute: the others are only in the stream, "
             "see `flotilla tail alerts`",
             MOST);
    buf_putc(b, '{');
    json_add_str(b, "code", "many_alerts");
    json_add_str(b, "subject", a->code_text);
    json_add_str(b, "message", text);
    json_add_int(b, "at", a->at_ms);
    buf_putc(b, '}');
}

static void add_entry(struct herald *h, struct errand *e, const struct reply *entry)
{
    const struct config *c = h->s->cfg;
    struct span id = reply_span(reply_at(entry, 0)), doc = doc_of(entry);
    struct buf job = BUF(BODY_MAX), many = BUF(4096);
    int n;
    struct alert a;
    char name[96];

    snprintf(name, sizeof name, PREFIX "%.*s", (int)id.n, id.p);
    if (!doc.n || !read_alert(doc, &a) || is_about_itself(&a)) {
        log_event(LOG_INFO, "alert.untold", "entry=%s", name);
        return;
    }
    if ((int)alert_level(a.code_text) < c->alerts_min_level)
        return;
    n = count(h, a.code_text);
    if (n == MOST + 1) {
        write_many(&many, &a);
        n -= read_alert(buf_span(&many), &a);
    }
    if (n <= MOST)
        write_job(c, &a, &job);
    if (job.n && !buf_failed(&job))
        errand_job(e, JOB_WEBHOOK, name, buf_span(&job), 0);
    buf_done(&job);
    buf_done(&many);
}

/* ---- looking ---- */

static void herald_look(void *arg);

static void later(struct herald *h, int64_t ms)
{
    loop_cancel(&h->timer);
    h->timer = loop_after(h->s->loop, ms, herald_look, h);
}

/* What an answer needs to know, and whether it still matters. */
struct asked {
    struct herald *h;
    unsigned life;
};

static struct asked *herald_ask(struct herald *h)
{
    struct asked *q = xcalloc(1, sizeof *q);

    q->h = h;
    q->life = h->life;
    return q;
}

/* The herald, or NULL when it was stopped since. */
static struct herald *answered(struct asked *q)
{
    struct herald *h = q->h->running && q->h->life == q->life ? q->h : NULL;

    free(q);
    return h;
}

static void on_sent(void *arg, enum errand_end end, const char *at)
{
    struct herald *h = answered(arg);

    if (!h)
        return;
    h->known = end == ERRAND_MADE || end == ERRAND_MOVED;
    if (h->known)
        snprintf(h->cursor, sizeof h->cursor, "%s", at);
    if (end == ERRAND_MADE && !h->more)
        memcpy(h->read, h->asked, sizeof h->read);
    later(h, end == ERRAND_MADE && !h->more ? LOOK_MS : end == ERRAND_LOST ? LOOK_MS : 0);
}

static void on_entries(void *arg, const struct reply *reply, const struct err *err)
{
    struct herald *h = answered(arg);
    size_t n = reply_count(reply);
    struct errand *e;
    struct span last;
    char to[CURSOR_MAX];

    if (!h)
        return;
    if (!reply && err->kind == ERR_REDIS)
        log_err(LOG_DEBUG, "alerts.read", err);
    if (n == 0) {
        if (reply)
            memcpy(h->read, h->asked, sizeof h->read);
        later(h, LOOK_MS);
        return;
    }
    e = errand_new(h->s, WHAT, QUEUE_WEBHOOK);
    for (size_t i = 0; i < n; i++)
        add_entry(h, e, reply_at(reply, i));
    last = reply_span(reply_at(reply_at(reply, n - 1), 0));
    snprintf(to, sizeof to, "%.*s", (int)last.n, last.p ? last.p : "");
    h->more = n == AT_ONCE;
    errand_send(e, h->cursor, to, on_sent, herald_ask(h));
}

static void on_cursor(void *arg, const struct reply *reply, const struct err *err)
{
    struct herald *h = answered(arg);
    struct span at = reply_span(reply);

    (void)err;
    if (!h)
        return;
    h->known = reply != NULL;
    snprintf(h->cursor, sizeof h->cursor, "%.*s", (int)(at.n < CURSOR_MAX ? at.n : 0),
             at.p ? at.p : "");
    later(h, h->known ? 0 : LOOK_MS);
}

/* Behind the cursor, but not before the age that is still told: "<ms>-<n>". */
static void read_from(const struct herald *h, char text[CURSOR_MAX + 1])
{
    int64_t oldest = clock_wall_ms() - MAX_AGE_MS;
    char floor[CURSOR_MAX];

    snprintf(floor, sizeof floor, "%" PRId64, max64(oldest, 0));
    if (strlen(h->cursor) > strlen(floor) && strncmp(h->cursor, floor, strlen(floor)) >= 0)
        snprintf(text, CURSOR_MAX + 1, "(%s", h->cursor);
    else
        snprintf(text, CURSOR_MAX + 1, "%s", floor);
}

static void herald_look(void *arg)
{
    struct herald *h = arg;
    char from[CURSOR_MAX + 1];

    h->timer = NULL;
    if (!*h->s->cfg->alerts_webhook_url || !redis_is_ready(h->s->redis)) {
        h->known = false;
        later(h, LOOK_MS);
    } else if (!h->known) {
        redis_sendv(h->s->redis, on_cursor, herald_ask(h), "HGET", key(&h->s->keys, KEY_ERRANDS),
                    WHAT, NULL);
    } else if (strcmp(h->newest, h->read) == 0) {
        later(h, LOOK_MS);
    } else {
        char count[16];

        memcpy(h->asked, h->newest, sizeof h->asked);
        snprintf(count, sizeof count, "%d", AT_ONCE);
        read_from(h, from);
        redis_sendv(h->s->redis, on_entries, herald_ask(h), "XRANGE", key(&h->s->keys, KEY_ALERTS),
                    from, "+", "COUNT", count, NULL);
    }
}

void herald_newest(struct herald *h, struct span id)
{
    snprintf(h->newest, sizeof h->newest, "%.*s", (int)id.n, id.p ? id.p : "");
    if (h->timer && h->known && strcmp(h->newest, h->read) != 0)
        later(h, 0);
}

/* ---- life ---- */

struct herald *herald_new(struct scheduler *s)
{
    struct herald *h = xcalloc(1, sizeof *h);

    h->s = s;
    return h;
}

void herald_start(struct herald *h)
{
    if (h->running)
        return;
    h->running = true;
    h->known = false;
    h->newest[0] = h->read[0] = '\0';
    h->life++;
    later(h, 0);
}

void herald_stop(struct herald *h)
{
    h->running = false;
    loop_cancel(&h->timer);
}

void herald_free(struct herald *h)
{
    if (!h)
        return;
    herald_stop(h);
    free(h);
}
