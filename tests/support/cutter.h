/* cutter.h - a network that breaks connections in the middle of a byte stream.
 *
 *     struct cutter *c = cutter_start("unix:/x/cut.sock", "unix:/x/redis.sock", seed);
 *     cutter_cut_after(c, 20000);     each connection lives for 1 to 40,000 bytes
 *     cutter_cut_after(c, 0);         a good network again
 *
 * It copies bytes without understanding them, so it fits any protocol; proxy.h
 * knows Redis' and aims at single requests.  A connection that is cut has
 * delivered exactly so many bytes, counted over both directions, then both its
 * ends are closed, on TCP half of the time with a reset.
 * Every function is in force when it returns.
 */
#ifndef FLOTILLA_TESTS_CUTTER_H
#define FLOTILLA_TESTS_CUTTER_H

#include "common/core/base.h"

struct cutter;

struct cutter_stats {
    int64_t open;  /* connections now */
    int64_t cuts;  /* connections cut, for whatever reason */
    int64_t bytes; /* copied, both directions */
};

/* Addresses: "unix:PATH" or "tcp:PORT" of 127.0.0.1.  The upstream need not exist yet. */
struct cutter *cutter_start(const char *listen, const char *upstream, uint64_t seed);
void cutter_free(struct cutter *c); /* NULL is fine */
/* New connections go to another port from now on; with an upstream on TCP. */
void cutter_upstream(struct cutter *c, int port);

/* Cut each connection, open ones too, after a random number of bytes with this mean; 0: never. */
void cutter_cut_after(struct cutter *c, int64_t mean_bytes);
void cutter_cut(struct cutter *c); /* all connections, now */
/* States; each ends the one before. */
void cutter_pass(struct cutter *c);
void cutter_stall(struct cutter *c);  /* nothing flows and nothing is closed */
void cutter_refuse(struct cutter *c); /* cut all, and refuse new connections */

struct cutter_stats cutter_stats(struct cutter *c);

#endif
