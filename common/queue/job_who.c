/* job_who.c - whose was the document that is refused?
 *
 *   {"id": "order-4711", "payload": {"task": "chat" "n": 1}, "reply": true, ...
 *    |----- found -----|                           ^ no JSON  |-- found --|
 *
 * Nothing that was submitted is dropped without a word, so whatever can be read
 * is used (job_loose.c): the id under which the refusal is told, whether
 * somebody waits for a reply or a webhook, and tenant and tags for those who
 * watch results.  Each counts only when it is good by itself.
 *
 * An id that cannot be used becomes `submitted_id`, printable and cut, and the
 * refusal is told under an id of ours.
 */
#include <string.h>

#include "common/core/json.h"
#include "common/core/random.h"
#include "common/core/utf8.h"
#include "common/queue/job_parts.h"

enum { TAGS_MAX = 16, TAG_MAX_CHARS = 128, URL_MAX_BYTES = 2048 };

/* Whole characters, control characters replaced. */
static void keep_printable(const char *p, size_t n, struct job_checked *ret)
{
    const char *end = p + n;
    size_t to = 0;

    while (p < end) {
        size_t length = utf8_len(p, end);
        bool shown = length > 0 && (unsigned char)*p >= 0x20 && *p != 0x7f;

        if (to + (shown ? length : 1) >= sizeof ret->submitted_id)
            break;
        if (shown)
            memcpy(ret->submitted_id + to, p, length);
        else
            ret->submitted_id[to] = '?';
        to += shown ? length : 1;
        p += length ? length : 1;
    }
    ret->submitted_id[to] = 0;
}

static bool is_quoted(struct span raw)
{
    return raw.n > 2 && (*raw.p == '"' || *raw.p == '\'') && raw.p[raw.n - 1] == *raw.p;
}

static struct span inside(struct span raw) { return (struct span){raw.p + 1, raw.n - 2}; }

static void take_id(struct span raw, struct job_checked *ret)
{
    struct buf text = BUF(raw.n);

    if (ret->id[0] || ret->submitted_id[0] || !raw.n)
        return; /* given twice: the first */
    if (*raw.p == '\'' && is_quoted(raw))
        buf_add_span(&text, inside(raw));
    if (!text.n && !json_read_string(raw, &text))
        keep_printable(raw.p, raw.n, ret);
    else if (!job_id_is_valid(text.p, text.n))
        keep_printable(text.p, text.n, ret);
    else
        memcpy(ret->id, text.p, text.n);
    buf_done(&text);
}

/* A string of the characters that ids have. */
static bool is_word(struct span raw)
{
    return is_quoted(raw) && job_id_is_valid(raw.p + 1, raw.n - 2);
}

static size_t characters(struct span raw)
{
    size_t count = 0;

    for (size_t i = 0; i < raw.n; i++)
        count += ((unsigned char)raw.p[i] & 0xc0) != 0x80;
    return count;
}

static bool are_tags(struct span raw)
{
    struct json_iter it;
    int count = 0;

    if (!json_iter_init(&it, raw.p, raw.n) || it.close != '}')
        return false;
    while (json_next(&it))
        if (++count > TAGS_MAX || !job_id_is_valid(it.key.p, it.key.n) || *it.value.p != '"' ||
            characters(it.value) > TAG_MAX_CHARS + 2)
            return false;
    return !it.bad;
}

/* Of a webhook.  It is called only when it could have been accepted. */
static struct span good_url(struct span webhook)
{
    struct job_loose l;
    struct span url = {NULL, 0};
    char text[URL_MAX_BYTES + 1];

    if (!webhook.n || *webhook.p != '{' || !job_loose_init(&l, webhook))
        return url;
    while (job_loose_next(&l))
        if (span_is(l.name, "url"))
            url = l.value;
    if (!is_quoted(url) || url.n - 2 > URL_MAX_BYTES)
        return (struct span){NULL, 0};
    if (memchr(url.p, 0, url.n))
        return (struct span){NULL, 0};
    if (*url.p == '\'') {
        memcpy(text, url.p + 1, url.n - 2);
        text[url.n - 2] = 0;
    } else if (!json_read_text(url, text, sizeof text)) {
        return (struct span){NULL, 0};
    }
    return strlen(text) && !job_url_fault(text, strlen(text)) ? url : (struct span){NULL, 0};
}

static bool is_true(struct span raw)
{
    return raw.n == 4 && (memcmp(raw.p, "true", 4) == 0 || memcmp(raw.p, "True", 4) == 0);
}

static void take_member(const struct job_loose *l, struct job_checked *ret)
{
    struct span v = l->value;
    enum job_type_id type;

    if (span_is(l->name, "id")) {
        take_id(v, ret);
    } else if (span_is(l->name, "reply")) {
        ret->wants_reply = is_true(v);
    } else if (span_is(l->name, "tenant") && is_word(v) && *v.p == '"') {
        ret->job.tenant = v;
    } else if (span_is(l->name, "tags") && are_tags(v)) {
        ret->job.tags = v;
    } else if (span_is(l->name, "type") && is_word(v)) {
        type = job_type_of(v.p + 1, v.n - 2);
        ret->job.type = job_type_flags(type) & JOB_PUBLIC ? type : JOB_TYPE_NONE;
    } else if (span_is(l->name, "webhook")) {
        ret->job.webhook_url = good_url(v);
    }
}

static void take_members(struct span text, struct job_checked *ret)
{
    struct job_loose l;

    if (job_loose_init(&l, text))
        while (job_loose_next(&l))
            take_member(&l, ret);
}

/* The same URL in doc, with a byte on either side; nothing when it was escaped there. */
static struct span url_in(struct span doc, struct span url)
{
    const char *p = url.n > 2 ? memmem(doc.p, doc.n, url.p + 1, url.n - 2) : NULL;

    return p ? (struct span){p - 1, url.n} : (struct span){NULL, 0};
}

/* A document that was made JSON twice is a string.  Its text is gone when this returns, and with it
 * what are spans, but for the URL: no escape of JSON changes the bytes of one. */
static bool take_from_string(struct span doc, struct job_checked *ret)
{
    struct buf text = BUF(doc.n);
    bool is = json_read_string(doc, &text);

    if (is)
        take_members(buf_span(&text), ret);
    ret->job.webhook_url = url_in(doc, ret->job.webhook_url);
    ret->job.tenant = ret->job.tags = (struct span){NULL, 0};
    buf_done(&text);
    return is;
}

void job_who(struct span doc, struct job_checked *ret)
{
    *ret = (struct job_checked){.job = {.doc = doc}};
    if (!take_from_string(doc, ret))
        take_members(doc, ret);
    if (!ret->id[0]) {
        random_uuid7(ret->id);
        ret->made_id = true;
    }
}
