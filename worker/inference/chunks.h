/* chunks.h - streamed answers on their way to their readers: the Redis streams fl:{0}:chunks:<id>.
 *
 * An entry holds the chunks since the last one.  A job writes at most one in 20 ms:
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
 *   end   the last entry: completed, failed, cancelled, expired; or `again`: another call follows.
 *         It comes after the result, sometimes twice, and not at all when a worker dies or the job
 *         ends while it waits.  Readers rely on the result.
 *
 * All of it is bounded: entries per stream, their expiry, and bytes in memory (16 KB per job; 2 MB
 * sent and 8 MB waiting per process).  Chunks over these bounds are dropped.
 */
#ifndef FLOTILLA_CHUNKS_H
#define FLOTILLA_CHUNKS_H

#include "common/core/base.h"
#include "worker/env.h"

struct chunks;       /* one per process */
struct chunk_stream; /* the chunks of one run */

/* on_idle: Redis has acknowledged all chunks. */
struct chunks *chunks_new(const struct env *env, void (*on_idle)(void *arg), void *arg);
void chunks_free(struct chunks *c);        /* frees all streams; waiting chunks are dropped */
void chunks_flush(struct chunks *c);       /* writes waiting chunks, as many as Redis takes now */
void chunks_reconnected(struct chunks *c); /* writes what has waited for the connection */
/* Chunks are not acknowledged yet: a process that drains waits for on_idle. */
bool chunks_wait(const struct chunks *c);

/* call: what the entries say of it (copied, <= 63 characters). */
struct chunk_stream *chunks_open(struct chunks *c, const char *job_id, int run);
/* The chunks that follow are those of another call. */
void chunks_call(struct chunk_stream *s, int attempt, const char *call);
void chunks_add(struct chunk_stream *s, struct span chunk);
/* end NULL: no end is written.  *s becomes NULL; waiting chunks are written later. */
void chunks_close(struct chunk_stream **s, const char *end);

#endif
