/* entry.c - see entry.h.
 *
 *   write:  body ──(large)──▶ zlib ──saves a fifth?──▶ header + body, or header + packed ──▶ CRC
 *   read:   CRC ──▶ header ──▶ sizes agree? ──▶ unpacked into one piece of memory
 *
 * The checksum is verified first, so the rest reads only what a program of this version wrote.  A
 * new fact is a new member of the header.  A change of the format is a new version: older entries
 * are misses then, until they expire.
 */
#include "worker/cache/entry.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/core/json.h"
#include "common/core/xalloc.h"

#define MARK "F1 "

/* The fastest level: a large answer must not block the loop. */
enum { LEVEL = 1, CRC_DIGITS = 8, MARK_BYTES = 3, LEAD = MARK_BYTES + CRC_DIGITS + 1 };

/* ---- in memory ---- */

struct entry *entry_new(const struct entry *facts)
{
    struct entry *e = xcalloc(1, sizeof *e);
    const char *provider = facts->provider ? facts->provider : "";
    size_t provider_n = strlen(provider) + 1;
    char *p = xmalloc(facts->body.n + facts->model.n + provider_n);

    *e = *facts;
    e->users = 1;
    e->memory = p;
    memcpy(p, provider, provider_n);
    e->provider = p;
    p += provider_n;
    if (facts->model.n)
        memcpy(p, facts->model.p, facts->model.n);
    e->model.p = p;
    p += facts->model.n;
    if (facts->body.n)
        memcpy(p, facts->body.p, facts->body.n);
    e->body.p = p;
    return e;
}

struct entry *entry_use(struct entry *e)
{
    e->users++;
    return e;
}

void entry_drop(struct entry **ep)
{
    struct entry *e = TAKE(*ep);

    if (!e || --e->users > 0)
        return;
    free(e->memory);
    free(e);
}

/* ---- writing ---- */

/* The zlib form when it saves a fifth; else {NULL, 0}.  The caller frees p. */
static struct span pack(struct span body)
{
    uLongf n = compressBound((uLong)body.n);
    unsigned char *p = xmalloc(n);

    if (compress2(p, &n, (const unsigned char *)body.p, (uLong)body.n, LEVEL) == Z_OK &&
        n <= body.n / 5 * 4)
        return (struct span){(char *)p, n};
    free(p);
    return (struct span){NULL, 0};
}

static void add_text(struct buf *b, const char *name, struct span text)
{
    json_add_key(b, name);
    json_add_string(b, text.p, text.n);
}

static void add_header(struct buf *b, const struct entry *e, bool packed)
{
    const struct usage *u = &e->usage;

    buf_putc(b, '{');
    json_add_int(b, "bytes", (int64_t)e->body.n);
    json_add_bool(b, "packed", packed);
    add_text(b, "model", e->model);
    json_add_str(b, "provider", e->provider ? e->provider : "");
    json_add_bool(b, "told", u->there);
    json_add_key(b, "usage");
    buf_printf(b, "[%" PRId64 ",%" PRId64 ",%" PRId64 "]", u->prompt_tokens, u->completion_tokens,
               u->cached_tokens);
    json_add_int(b, "images", u->images);
    json_add_int(b, "list_nanousd", e->list_nanousd);
    json_add_int(b, "at", e->stored_ms);
    buf_puts(b, "}\n");
}

static uint32_t checksum(struct span s)
{
    return (uint32_t)crc32_z(0, (const unsigned char *)s.p, s.n);
}

void entry_write(const struct entry *e, size_t pack_bytes, struct buf *out)
{
    struct span packed = e->body.n > pack_bytes ? pack(e->body) : (struct span){NULL, 0};
    size_t from = out->n;
    char lead[LEAD + 1];

    buf_puts(out, MARK "00000000\n");
    add_header(out, e, packed.p);
    buf_add_span(out, packed.p ? packed : e->body);
    free((char *)(uintptr_t)packed.p);
    if (buf_failed(out))
        return;
    snprintf(lead, sizeof lead, MARK "%08" PRIx32 "\n",
             checksum((struct span){out->p + from + LEAD, out->n - from - LEAD}));
    memcpy(out->p + from, lead, LEAD);
}

/* ---- reading ---- */

struct header {
    int64_t bytes, images, list_nanousd, at;
    bool packed;
    struct span model, provider; /* raw */
    struct usage usage;
};

static bool read_usage(struct span told, struct span v, struct usage *u)
{
    return json_read_bool(told, &u->there) && json_read_int(json_at(v, "0"), &u->prompt_tokens) &&
           json_read_int(json_at(v, "1"), &u->completion_tokens) &&
           json_read_int(json_at(v, "2"), &u->cached_tokens);
}

static bool read_header(struct span text, struct header *h)
{
    struct span bytes, packed, told, usage, images, list, at;
    const struct json_want wants[] = {
        {"bytes", &bytes},          {"packed", &packed},     {"model", &h->model},
        {"provider", &h->provider}, {"told", &told},         {"usage", &usage},
        {"images", &images},        {"list_nanousd", &list}, {"at", &at}};

    return json_pick(text.p, text.n, wants, ARRAY_LEN(wants)) && json_read_int(bytes, &h->bytes) &&
           h->bytes >= 0 && h->bytes <= ENTRY_MAX_BYTES && json_read_bool(packed, &h->packed) &&
           read_usage(told, usage, &h->usage) && json_read_int(images, &h->usage.images) &&
           json_read_int(list, &h->list_nanousd) && json_read_int(at, &h->at);
}

/* The bytes behind the checksum; {NULL, 0} when it does not match. */
static struct span checked(struct span stored)
{
    struct span rest = {stored.p + LEAD, stored.n - LEAD};
    char lead[LEAD + 1];

    if (stored.n <= LEAD)
        return (struct span){NULL, 0};
    snprintf(lead, sizeof lead, MARK "%08" PRIx32 "\n", checksum(rest));
    return memcmp(lead, stored.p, LEAD) == 0 ? rest : (struct span){NULL, 0};
}

/* Model, provider with a NUL, and body, in that order. */
static bool fill(struct entry *e, const struct header *h, struct span bytes, struct buf *b)
{
    size_t provider_at, body_at;
    uLongf n = (uLongf)h->bytes;

    if (!json_read_string(h->model, b))
        return false;
    provider_at = b->n;
    if (!json_read_string(h->provider, b) || !buf_putc(b, '\0'))
        return false;
    body_at = b->n;
    if (!buf_reserve(b, (size_t)h->bytes + 1))
        return false;
    e->model = (struct span){b->p, provider_at};
    e->provider = b->p + provider_at;
    e->body = (struct span){b->p + body_at, (size_t)h->bytes};
    if (h->packed)
        return uncompress((unsigned char *)b->p + body_at, &n, (const unsigned char *)bytes.p,
                          (uLong)bytes.n) == Z_OK &&
               n == (uLongf)h->bytes;
    if (bytes.n != (size_t)h->bytes)
        return false;
    memcpy(b->p + body_at, bytes.p, bytes.n);
    return true;
}

struct entry *entry_read(struct span stored)
{
    struct span rest = checked(stored), text;
    const char *end = rest.p ? memchr(rest.p, '\n', rest.n) : NULL;
    struct header h = {0};
    struct buf b = BUF(2 * (size_t)ENTRY_MAX_BYTES);
    struct entry *e;

    if (!end)
        return NULL;
    text = (struct span){rest.p, (size_t)(end - rest.p)};
    if (!read_header(text, &h))
        return NULL;
    e = xcalloc(1, sizeof *e);
    if (!fill(e, &h, (struct span){end + 1, (size_t)(rest.p + rest.n - end - 1)}, &b)) {
        buf_done(&b);
        free(e);
        return NULL;
    }
    e->usage = h.usage;
    e->list_nanousd = h.list_nanousd;
    e->stored_ms = h.at;
    e->users = 1;
    e->memory = b.p;
    return e;
}
