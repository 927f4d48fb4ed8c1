/* job_who.c - whose was the document that is refused?
 *
 *   {"id": "order-4711", "reply": true, "payload": {"task": ...   (cut off, malformed, too large)
 *    |----- found -----|  |-- found --|
 *
 * Nothing that was submitted is dropped without a word, so whatever can be read
 * before the fault is used: the id under which the refusal is told, whether
 * somebody waits for a reply, and tenant and tags for those who watch results.
 * Each counts only when it is good by itself.
 *
 * An id that cannot be used becomes `submitted_id`, printable and cut, and the
 * refusal is told under an id of ours.
 */
#include <string.h>

#include "common/core/json.h"
#include "common/core/random.h"
#include "common/core/utf8.h"
#include "common/queue/job_parts.h"

enum { TAGS_MAX = 16, TAG_MAX_CHARS = 128 };

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

static void take_id(struct span raw, struct job_checked *ret)
{
    struct buf text = BUF(raw.n);

    if (ret->id[0] || ret->submitted_id[0])
        return; /* given twice: the first */
    if (!json_read_string(raw, &text))
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
    return raw.n > 2 && *raw.p == '"' && job_id_is_valid(raw.p + 1, raw.n - 2);
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

static bool is_key(const struct json_iter *it, const char *name)
{
    return it->key.n == strlen(name) && memcmp(it->key.p, name, it->key.n) == 0;
}

static void take_member(const struct json_iter *it, struct job_checked *ret)
{
    struct span v = it->value;
    enum job_type_id type;

    if (is_key(it, "id")) {
        take_id(v, ret);
    } else if (is_key(it, "reply")) {
        ret->wants_reply = json_read_bool(v, &ret->wants_reply) && ret->wants_reply;
    } else if (is_key(it, "tenant") && is_word(v)) {
        ret->job.tenant = v;
    } else if (is_key(it, "tags") && are_tags(v)) {
        ret->job.tags = v;
    } else if (is_key(it, "type") && is_word(v)) {
        type = job_type_of(v.p + 1, v.n - 2);
        ret->job.type = job_type_flags(type) & JOB_PUBLIC ? type : JOB_TYPE_NONE;
    }
}

void job_who(struct span doc, struct job_checked *ret)
{
    struct json_iter it;

    *ret = (struct job_checked){.job = {.doc = doc}};
    if (json_iter_init(&it, doc.p, doc.n) && it.close == '}')
        while (json_next(&it))
            take_member(&it, ret);
    if (!ret->id[0]) {
        random_uuid7(ret->id);
        ret->made_id = true;
    }
}
