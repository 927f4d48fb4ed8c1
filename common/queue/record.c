/* record.c - the fixed header of a job in Redis, and the names of its words.
 *
 *   0     4     10              26         37          49         59                 129
 *   01 a- 000003 7c41a22f00000003 1a0c4506c04 001 002 ... call       00000000000 ... |{"type":
 * ...}|progress (blanks only here)
 *
 * Every claim, start and finish reads or writes one header, so there is no
 * parser here: record_fields.def says where each field stands, hex digits go
 * through a table, and one flag gathers whether any of them was none.
 *
 * The numbers of a header have a fixed width.  One that does not fit is written
 * as the largest that does (a negative one as 0), because a wrong neighbour
 * would be worse than a counter that stands still.
 *
 * To add a field: a new version, a row in record_fields.def, the picture in
 * record.h, lua/prelude.lua, and a reader for the version before.
 * To add a job type, a state or a queue: a row in its .def; nothing here.
 */
#include "common/queue/record.h"

#include <assert.h>
#include <string.h>

enum {
#define HEX(field, at, len)  AT_##field = (at), LEN_##field = (len),
#define TEXT(field, at, len) AT_##field = (at), LEN_##field = (len),
#include "common/queue/record_fields.def"
};
static_assert(AT_digest + LEN_digest == RECORD_HEADER, "the fields fill the header");
static_assert(LEN_token == RECORD_TOKEN && LEN_step == RECORD_STEP, "record.h agrees");

/* ---- names ---- */

struct name {
    const char *name;
    size_t n;
    unsigned flags;
    char code;
};
#define NAME(text, flag_bits, ch)                                                 \
    {                                                                             \
        .name = (text), .n = sizeof(text) - 1, .flags = (flag_bits), .code = (ch) \
    }

static const struct name types[JOB_TYPE_COUNT] = {
    [JOB_TYPE_NONE] = NAME("none", 0, '-'),
#define X(type, name, symbol, code, flags) [JOB_##type] = NAME(name, flags, code),
#define X_LATER(type, name, code)          [JOB_##type] = NAME(name, JOB_PUBLIC | JOB_LATER, code),
#include "common/queue/job_types.def"
};

static const struct name states[JOB_STATE_COUNT] = {
    [JOB_STATE_NONE] = NAME("none", 0, 0),
#define X(state, ch, status, ended) [JOB_STATE_##state] = NAME(status, ended, ch),
#include "common/queue/job_states.def"
};

static const struct name queues[QUEUE_COUNT + 1] = {
    [QUEUE_NONE] = NAME("none", 0, 0),
#define X(NAME_, name, code, weight) [QUEUE_##NAME_] = NAME(name, 0, 0),
#include "common/queue/queues.def"
};
static_assert(QUEUE_END == QUEUE_COUNT + 1, "queue codes are 1..QUEUE_COUNT");

/* The row whose name is p[0..n), or 0. */
static int name_find(const struct name *rows, int count, const char *p, size_t n)
{
    for (int i = 1; i < count; i++)
        if (rows[i].n == n && memcmp(rows[i].name, p, n) == 0)
            return i;
    return 0;
}

/* The row with that code, or -1. */
static int find_code(const struct name *rows, int count, char code)
{
    for (int i = 0; i < count; i++)
        if (rows[i].code == code && code)
            return i;
    return -1;
}

static const struct name *row(const struct name *rows, int count, unsigned i)
{
    return &rows[i < (unsigned)count ? i : 0];
}

const char *job_type_name(enum job_type_id t) { return row(types, JOB_TYPE_COUNT, t)->name; }

enum job_type_id job_type_of(const char *name, size_t n)
{
    return (enum job_type_id)name_find(types, JOB_TYPE_COUNT, name, n);
}

unsigned job_type_flags(enum job_type_id t) { return row(types, JOB_TYPE_COUNT, t)->flags; }

const char *job_state_name(enum job_state s) { return row(states, JOB_STATE_COUNT, s)->name; }

bool job_state_ended(enum job_state s) { return row(states, JOB_STATE_COUNT, s)->flags != 0; }

const char *record_state_name(const struct record *r, int64_t now_ms)
{
    if (r->state == JOB_STATE_READY && r->due_ms > now_ms)
        return "delayed";
    return job_state_name(r->state);
}

const char *queue_name(enum queue_id q) { return row(queues, QUEUE_COUNT + 1, q)->name; }

enum queue_id queue_of(const char *name, size_t n)
{
    return (enum queue_id)name_find(queues, QUEUE_COUNT + 1, name, n);
}

/* ---- reading ---- */

/* A digit's value plus one; 0 for every other byte. */
static const unsigned char hex_plus_one[256] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

static inline uint64_t get_hex(const char *p, int len, bool *bad)
{
    uint64_t v = 0;

    for (int i = 0; i < len; i++) {
        unsigned digit = hex_plus_one[(unsigned char)p[i]];

        *bad |= digit == 0;
        v = v << 4 | ((digit - 1) & 15);
    }
    return v;
}

/* Text up to its padding (0: it has none). */
static void get_text(const char *p, size_t len, char padding, char *text)
{
    while (len > 0 && p[len - 1] == padding)
        len--;
    memcpy(text, p, len);
    text[len] = 0;
}

static bool get_texts(const char *p, struct record *r)
{
    int state = find_code(states, JOB_STATE_COUNT, p[AT_state]);
    int type = find_code(types, JOB_TYPE_COUNT, p[AT_type]);

    if (state < 0 || type < 0 || (p[AT_flags] != '-' && p[AT_flags] != 'c'))
        return false;
    r->state = (enum job_state)state;
    r->type = (enum job_type_id)type;
    r->cancel_asked = p[AT_flags] == 'c';
    get_text(p + AT_token, LEN_token, 0, r->token);
    get_text(p + AT_step, LEN_step, ' ', r->step);
    get_text(p + AT_digest, LEN_digest, 0, r->digest);
    return true;
}

/* What was refused may have no type, and so no queue. */
static bool makes_sense(const struct record *r)
{
    if (r->version < 1 || r->version > RECORD_VERSION || r->queue > QUEUE_COUNT)
        return false;
    return r->state == JOB_STATE_REJECTED || (r->type != JOB_TYPE_NONE && r->queue != QUEUE_NONE);
}

bool record_read(const char *p, size_t n, struct record *ret)
{
    struct record r = {0};
    bool bad = false;

    if (n < RECORD_HEADER)
        return false;
#define HEX(field, at, len) r.field = (__typeof__(r.field))get_hex(p + (at), len, &bad);
#define TEXT(field, at, len)
#include "common/queue/record_fields.def"
    if (bad || !get_texts(p, &r) || !makes_sense(&r))
        return false;
    *ret = r;
    return true;
}

bool record_is_newer(const char *p, size_t n, enum queue_id *queue)
{
    bool bad = false;
    uint64_t version, number;

    *queue = QUEUE_NONE;
    if (n < RECORD_HEADER)
        return false;
    version = get_hex(p + AT_version, LEN_version, &bad);
    number = get_hex(p + AT_queue, LEN_queue, &bad);
    if (bad || (version <= RECORD_VERSION && find_code(types, JOB_TYPE_COUNT, p[AT_type]) >= 0))
        return false;
    if (p[AT_state] == states[JOB_STATE_READY].code && number <= QUEUE_COUNT)
        *queue = (enum queue_id)number;
    return true;
}

struct span record_doc(const struct record *r, const char *p, size_t n)
{
    if (n < RECORD_HEADER || r->doc_bytes == 0 || r->doc_bytes > n - RECORD_HEADER)
        return (struct span){NULL, 0};
    return (struct span){p + RECORD_HEADER, r->doc_bytes};
}

struct span record_tail(const struct record *r, const char *p, size_t n)
{
    if (n < RECORD_HEADER || r->doc_bytes >= n - RECORD_HEADER)
        return (struct span){NULL, 0};
    return (struct span){p + RECORD_HEADER + r->doc_bytes, n - RECORD_HEADER - r->doc_bytes};
}

/* ---- writing ---- */

static inline void put_hex(char *p, int len, int64_t v)
{
    int64_t max = (INT64_C(1) << (4 * len)) - 1;

    v = clamp64(v, 0, max);
    for (int i = len - 1; i >= 0; i--, v >>= 4)
        p[i] = "0123456789abcdef"[v & 15];
}

static void put_text(char *p, size_t len, char padding, const char *text)
{
    size_t n = strnlen(text, len);

    memcpy(p, text, n);
    memset(p + n, padding, len - n);
}

void record_claim(const struct record *r, char ret[RECORD_CLAIM + 1])
{
    put_hex(ret, LEN_tnum, r->tnum);
    memcpy(ret + LEN_tnum, r->token, RECORD_TOKEN);
    ret[RECORD_CLAIM] = '\0';
}

void record_write(const struct record *r, char header[RECORD_HEADER])
{
#define HEX(field, at, len) put_hex(header + (at), len, (int64_t)r->field);
#define TEXT(field, at, len)
#include "common/queue/record_fields.def"
    header[AT_state] = row(states, JOB_STATE_COUNT, r->state)->code;
    header[AT_flags] = r->cancel_asked ? 'c' : '-';
    header[AT_type] = row(types, JOB_TYPE_COUNT, r->type)->code;
    put_text(header + AT_token, LEN_token, '0', r->token);
    put_text(header + AT_step, LEN_step, ' ', r->step);
    put_text(header + AT_digest, LEN_digest, '0', r->digest);
}
