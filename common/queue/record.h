/* record.h - a job as Redis keeps it: a short fixed header, then the bytes.
 *
 *   header (RECORD_HEADER bytes of ASCII) | document | progress      while it lives
 *   header | document (dead and cancelled only) | result             after it ended
 *
 * Numbers are lower-case hex, zero-padded, so that Lua compares them as
 * strings.  A transition rewrites header bytes, never the document.
 *
 *   at  len  field
 *    0    2  version       "01"; a worker touches no record newer than it knows
 *    2    1  state         job_states.def
 *    3    1  flags         '-', or 'c': cancel asked while active
 *    4    6  tnum          transition number, +1 at every write of the header, 0 after the last
 *   10   16  token         8 of the worker's tag, 8 of its start call; proves the claim; 16 x '0':
 * none yet 26   11  started       ms, latest start; 0 never 37    3  run           1, +1 at each
 * replay 40    3  attempts      spent 43    2  crashes 45    4  parks 49   10  step          name
 * of the next step, padded with blanks 59   11  parked        ms, since when it is parked without a
 * break; 0 not 70   11  due           ms, not to be started before 81   11  submitted     ms 92 11
 * expires       ms, until the first start; 0 never 103    1  type          job_types.def code; '-'
 * when refused without one 104    2  queue         queues.def code; 00 likewise 106    7  doc_bytes
 * length of the document that follows 113   16  digest        first 64 bits of SHA-256 of the
 * canonical document 129       (end)
 *
 * Whatever a later version changes, version, state and queue stay where they
 * are: a program that is older than a record gives its id back to that queue.
 *
 * The same offsets stand in record_fields.def, which record.c and its test read, and in
 * lua/prelude.lua. Changing the layout: new version number, and every script must know both.
 */
#ifndef FLOTILLA_RECORD_H
#define FLOTILLA_RECORD_H

#include "common/core/base.h"
#include "common/core/buf.h"

#define RECORD_HEADER  129
#define RECORD_VERSION 1
#define RECORD_TOKEN   16
#define RECORD_STEP    10
#define RECORD_TNUM    0xffffffu /* largest; then it goes round */

enum job_type_id {
    JOB_TYPE_NONE,
#define X(type, name, symbol, code, flags) JOB_##type,
#define X_LATER(type, name, code)          JOB_##type,
#include "common/queue/job_types.def"
    JOB_TYPE_COUNT
};
enum { JOB_PUBLIC = 1, JOB_CALLS = 2, JOB_LATER = 4 };

enum job_state {
    JOB_STATE_NONE,
#define X(state, ch, status, ended) JOB_STATE_##state,
#include "common/queue/job_states.def"
    JOB_STATE_COUNT
};

enum queue_id {
    QUEUE_NONE,
#define X(NAME, name, code, weight) QUEUE_##NAME = (code),
#include "common/queue/queues.def"
    QUEUE_END
};
#define QUEUE_COUNT 8 /* codes are 1..QUEUE_COUNT */

struct record {
    int version;
    enum job_state state;
    bool cancel_asked;
    uint32_t tnum;
    char token[RECORD_TOKEN + 1];
    int64_t started_ms;
    int run, attempts, crashes, parks;
    char step[RECORD_STEP + 1];
    int64_t parked_ms, due_ms, submitted_ms, expires_ms;
    enum job_type_id type;
    enum queue_id queue;
    size_t doc_bytes;
    char digest[17];
};

/* Read the header; false when p[0..n) is no record of a version that we know. */
NODISCARD bool record_read(const char *p, size_t n, struct record *ret);
/* True when it is of a later version, or of a type that only a later program has; *queue is where
 * its id belongs when it is ready, else QUEUE_NONE. */
bool record_is_newer(const char *p, size_t n, enum queue_id *queue);
/* Write RECORD_HEADER bytes. */
void record_write(const struct record *r, char header[RECORD_HEADER]);
/* Which start of it this is, as the scripts compare it: tnum in hex, then the token; NUL. */
enum { RECORD_CLAIM = 6 + RECORD_TOKEN };
void record_claim(const struct record *r, char ret[RECORD_CLAIM + 1]);
/* The number of the next transition. */
static inline uint32_t record_next_tnum(uint32_t tnum) { return (tnum + 1) & RECORD_TNUM; }
/* The parts behind the header. */
struct span record_doc(const struct record *r, const char *p, size_t n);
struct span record_tail(const struct record *r, const char *p,
                        size_t n); /* progress, or the result of an ended job */

const char *job_type_name(enum job_type_id t); /* "inference" */
enum job_type_id job_type_of(const char *name, size_t n);
unsigned job_type_flags(enum job_type_id t);
const char *job_state_name(enum job_state s); /* "completed" */
bool job_state_ended(enum job_state s);
/* "delayed" for a ready record that is due later than now. */
const char *record_state_name(const struct record *r, int64_t now_ms);
const char *queue_name(enum queue_id q);            /* "inference.standard" */
enum queue_id queue_of(const char *name, size_t n); /* QUEUE_NONE when unknown */

#endif
