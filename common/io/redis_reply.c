/* redis_reply.c - typed reading of replies.
 *
 * `struct reply` is hiredis's redisReply under another name, so that nobody
 * outside common/io/redis*.c sees hiredis; only the fields that hiredis 0.14
 * and 1.x share are touched.  Every reader checks the type first and has a
 * harmless answer for the wrong one: what a server says is input. */
#include "common/io/redis_private.h"

#include <string.h>

#include <hiredis/hiredis.h>

#include "common/core/parse.h"

static const redisReply *raw(const struct reply *r) { return (const redisReply *)(const void *)r; }

enum reply_type reply_type(const struct reply *r)
{
    if (!r)
        return REPLY_NIL;
    switch (raw(r)->type) {
    case REDIS_REPLY_INTEGER: return REPLY_INT;
    case REDIS_REPLY_STRING: return REPLY_STRING;
    case REDIS_REPLY_STATUS: return REPLY_STATUS;
    case REDIS_REPLY_ERROR: return REPLY_ERROR;
    case REDIS_REPLY_ARRAY: return REPLY_ARRAY;
    default: return REPLY_NIL; /* RESP3 types are never asked for */
    }
}

struct span reply_span(const struct reply *r)
{
    enum reply_type type = reply_type(r);

    if (type == REPLY_STRING || type == REPLY_STATUS || type == REPLY_ERROR)
        return (struct span){raw(r)->str, (size_t)raw(r)->len};
    return (struct span){NULL, 0};
}

int64_t reply_int(const struct reply *r)
{
    struct span s;
    int64_t v;

    if (reply_type(r) == REPLY_INT)
        return raw(r)->integer;
    if (reply_type(r) != REPLY_STRING)
        return 0;
    s = reply_span(r);
    return parse_int64(s.p, s.n, INT64_MIN, INT64_MAX, &v) ? v : 0;
}

bool reply_is(const struct reply *r, const char *text)
{
    struct span s = reply_span(r);

    return s.p && reply_type(r) != REPLY_ERROR && span_is(s, text);
}

size_t reply_count(const struct reply *r)
{
    return reply_type(r) == REPLY_ARRAY ? raw(r)->elements : 0;
}

const struct reply *reply_at(const struct reply *r, size_t i)
{
    return i < reply_count(r) ? (const struct reply *)(const void *)raw(r)->element[i] : NULL;
}

bool reply_error(const struct err *err, const char *code)
{
    size_t n = strlen(code);

    return err && err->kind == ERR_REDIS && !strncmp(err->msg, code, n) &&
           (err->msg[n] == ' ' || err->msg[n] == '\0');
}
