/* wire.h - stands in for common/io/redis.c: commands are noted, not sent.
 *
 * The programs' own functions (settle_send, work_claim, recover_start, ...) are
 * linked as they are and given a `struct redis` that is none.  What they send
 * is noted here, as the bytes that would have gone to Redis and the callback
 * that waits; the explorer decides what becomes of it.
 *
 *     wire_open();                    forget what was noted
 *     work_claim(WIRE, ...);          the program's function
 *     wire_noted(0, &n)               what it sent
 *     wire_answer(0, reply)           and its callback, now
 *
 * server_ask() is a plain connection to the private redis-server, over which
 * noted bytes go.
 */
#ifndef FLOTILLA_TESTS_EXPLORE_WIRE_H
#define FLOTILLA_TESTS_EXPLORE_WIRE_H

#include "common/core/buf.h"
#include "common/io/redis.h"

#define WIRE ((struct redis *)(void *)&wire_mark)
extern char wire_mark;

/* ---- noted commands ---- */
void wire_open(void);
size_t wire_count(void);
/* The bytes of the n-th command; they live until wire_open. */
struct span wire_bytes(size_t n);
bool wire_waits(size_t n); /* it has a callback that was not called yet */
/* Call its callback with this reply (RESP bytes); more may be noted meanwhile.
 */
void wire_answer(size_t n, struct span resp);
/* Its connection is lost. */
void wire_lose(size_t n);

/* A reply of these RESP bytes; wire_done ends it. */
const struct reply *wire_reply(struct span resp);
void wire_done(const struct reply *reply);

/* ---- the server ---- */
/* Start a private redis-server under a new directory, with all scripts loaded;
 * it dies with this process.  False: why was printed. */
NODISCARD bool server_start(void);
void server_stop(void);
/* Send these bytes (any number of commands). */
void server_send(struct span bytes);
/* The next reply; caller ends it by wire_done.  A lost server ends the program.
 */
const struct reply *server_reply(void);

#endif
