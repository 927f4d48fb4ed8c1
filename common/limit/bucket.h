/* bucket.h - the rate at which one model may be called with one key, as Redis keeps it.
 *
 * A bucket is (fingerprint of a provider's key, model), a field of fl:{0}:bucket, shared by the
 * whole fleet.  It does not say when a call may go, but in which order: it gives out numbers
 * (tickets), and its position moves along them at the current rate.
 *
 *     ........ pos . . . s . . . . . issued          a ticket s is due when pos >= s
 *              └── moves `rate` tickets per second ──▶
 *
 * So when the rate falls, all who wait come later by themselves, and earlier when it grows; a place
 * once given stays.  Tickets are of three classes, each with its own numbers; the rate is shared
 * among those in which somebody waits (16 : 4 : 1), so no class waits for another's backlog.
 *
 * There are two such lanes: calls, and tokens (whose rate is 0, no limit, until one is seen); a
 * call is due when both of its tickets are.  Positions are plain numbers of tickets.  A lane that
 * nobody waits for saves up `credit`, at most BUCKET_BURST_S of its rate, never less than one call.
 *
 * The text in Redis, words separated by blanks:
 *   1 at_us pause_us epoch cuts sent tokens refused {rate credit {pos issued} x 3} x 2 control...
 * The arithmetic is that of lua/limit.lua, which changes it; here it is only read and looked ahead.
 */
#ifndef FLOTILLA_BUCKET_H
#define FLOTILLA_BUCKET_H

#include "common/core/base.h"
#include "common/core/buf.h"

enum bucket_class { BUCKET_FRONT, BUCKET_STANDARD, BUCKET_BATCH, BUCKET_CLASSES };
enum bucket_lane_id { BUCKET_CALLS, BUCKET_TOKENS, BUCKET_LANES };
#define BUCKET_BURST_S 0.01
#define BUCKET_CONTROL 1024 /* bytes of control, with NUL */
#define BUCKET_TEXT    2048

struct bucket_lane {
    double rate, credit;
    double pos[BUCKET_CLASSES], issued[BUCKET_CLASSES];
};
struct bucket {
    int64_t at_us;                      /* Redis's time of what follows */
    int64_t pause_us;                   /* nothing moves before it */
    int64_t epoch;                      /* +1 with each change of the rate */
    int64_t cuts;                       /* +1 with each cut */
    double sent[BUCKET_LANES], refused; /* since ever: calls, tokens; calls */
    struct bucket_lane lane[BUCKET_LANES];
    char control[BUCKET_CONTROL]; /* of worker/limit/rate.h */
};
struct bucket_ticket {
    enum bucket_class class;
    double number[BUCKET_LANES]; /* 0: of a lane without limit */
    double took;                 /* of the tokens' lane: what is not used of it is given back */
};

/* False when the text is none of this version. */
NODISCARD bool bucket_read(struct span text, struct bucket *ret);
/* The same text without control. */
void bucket_write(const struct bucket *b, struct buf *ret);
/* The place of a job that was put off, as its progress keeps it:
 *   {"bucket": NAME, "class": k, "calls": number, "tokens": number, "took": tokens}
 * With that bucket, moved to now, bucket_wait_us tells how long the job still waits.  False when
 * there is none. */
NODISCARD bool bucket_read_place(struct span progress, char *name, size_t size,
                                 struct bucket_ticket *ret);
/* Move to now_us. */
void bucket_advance(struct bucket *b, int64_t now_us);
/* How long after b->at_us the ticket is due, as things are: 0 now; INT64_MAX/2 when never (no rate,
 * or a number that was never given out). */
int64_t bucket_wait_us(const struct bucket *b, const struct bucket_ticket *t);
/* By how many seconds of its lane's rate the ticket is overdue; < 0: it is not due yet. */
double bucket_overdue_s(const struct bucket *b, const struct bucket_ticket *t);
/* Somebody waits for a ticket of this lane. */
bool bucket_is_queued(const struct bucket_lane *l);

#endif
