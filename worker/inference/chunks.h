/* chunks.h - streamed answers on their way to who reads along: the streams fl:{0}:chunks:<id>.
 *
 * An entry holds what came since the last one, at most one per job and 20 ms:
 *
 *     run 1  attempt 1  call 1:1:000003-a1b2c3d4.1  seq 0  data {...}\n{...}\n{...}
 *     run 1  attempt 1  call 1:1:000003-a1b2c3d4.1  seq 3  data {...}
 *     run 1  end completed
 *
 *   call  which call of the provider: when it changes, the text starts from the beginning
 *   seq   number of the first chunk of data within the call; from 0
 *   data  the provider's chunks, one JSON object per line
 *   lost  so many chunks before these were dropped (Redis was away or too slow); the result is
 *         whole all the same
 *   end   no more comes: completed, failed, cancelled, expired; or `again`: the job will be called
 *         once more.  It comes after the result, at times twice; nobody writes it when a worker
 *         dies, or when the job ends while it waits, so the result is what counts.
 *
 * Everything here is bounded: entries per stream, time after the last one, bytes that wait here
 * (16 KB per job; a process has 2 MB on their way and 8 MB waiting).  What is over is dropped.
 */
#ifndef FLOTILLA_CHUNKS_H
#define FLOTILLA_CHUNKS_H

#include "common/core/base.h"
#include "worker/env.h"

struct chunks;       /* one per process */
struct chunk_stream; /* the chunks of one run */

/* on_idle: all that was written is acknowledged. */
struct chunks *chunks_new(const struct env *env, void (*on_idle)(void *arg), void *arg);
void chunks_free(struct chunks *c);        /* what waits is dropped; streams become dead */
void chunks_flush(struct chunks *c);       /* write what waits as far as Redis takes it at once */
void chunks_reconnected(struct chunks *c); /* what waited for Redis is written */
/* Something is not written yet: a process that drains stays, and is kicked when that is over. */
bool chunks_wait(const struct chunks *c);

/* call: what the entries say of it (copied, <= 63 characters). */
struct chunk_stream *chunks_open(struct chunks *c, const char *job_id, int run);
/* The chunks that follow are those of another call. */
void chunks_call(struct chunk_stream *s, int attempt, const char *call);
void chunks_add(struct chunk_stream *s, struct span chunk);
/* end NULL: say nothing.  *s becomes NULL; what waits is written later. */
void chunks_close(struct chunk_stream **s, const char *end);

#endif
