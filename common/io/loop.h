/* loop.h - the event loop: timers, deferred calls, signals, over libevent.
 *
 * One loop per process.  Callbacks run on the loop's turn, never inside the
 * call that asked for them.  Times are milliseconds of the monotonic clock.
 * Other modules of common/io (redis, http_client) and the HTTP server use
 * loop_base() to hang their sockets on the same event_base.
 */
#ifndef FLOTILLA_LOOP_H
#define FLOTILLA_LOOP_H

#include "common/core/base.h"

struct event;
struct event_base;
struct evdns_base;
struct loop;
struct loop_timer;
struct loop_io;
typedef void loop_cb(void *arg);
typedef void loop_io_cb(void *arg, int fd, bool readable, bool writable);

struct loop *loop_new(void);
void loop_free(struct loop *l); /* pending timers and deferred calls are dropped, not run */
/* Runs until loop_stop().  loop_turn: one turn, waiting at most max_ms (0 = only what is ready). */
void loop_run(struct loop *l);
void loop_turn(struct loop *l, int64_t max_ms);
void loop_stop(struct loop *l);

/* A one-shot timer; it frees itself after it fired.  The handle is for loop_cancel only and is
 * dead once the callback started: keep it in a field and set that to NULL first thing in the
 * callback. */
struct loop_timer *loop_after(struct loop *l, int64_t ms, loop_cb *cb, void *arg);
void loop_cancel(struct loop_timer **t); /* NULL is fine; *t becomes NULL */
/* Call cb(arg) after the current callback returned, before the loop waits again.  In order. */
void loop_defer(struct loop *l, loop_cb *cb, void *arg);
/* Drop deferred calls with that cb and arg (before arg is freed). */
void loop_undefer(struct loop *l, loop_cb *cb, void *arg);
/* Called on the loop's turn after the signal arrived. */
/* One that is blocked, as program_start leaves HUP and USR1, is unblocked: one that came before is
 * heard. */
void loop_on_signal(struct loop *l, int signo, loop_cb *cb, void *arg);
/* Watch a descriptor, level-triggered, until loop_unwatch. */
struct loop_io *loop_watch(struct loop *l, int fd, bool read, bool write, loop_io_cb *cb,
                           void *arg);
void loop_rewatch(struct loop_io *io, bool read, bool write);
void loop_unwatch(struct loop_io **io); /* NULL is fine; does not close fd */

struct event_base *loop_base(struct loop *l);
/* Bulk: of hundreds of sockets that do the same.  Such an event comes after others that are ready,
 * and its callback tells by loop_worked() that it worked: after some of them the turn ends, so that
 * what they gave rise to goes out (deferred calls) while the rest is dealt with. */
void loop_make_bulk(struct event *ev); /* before event_add */
void loop_worked(struct loop *l);
struct evdns_base *loop_dns(struct loop *l); /* made on first use */
/* Something large (say, over 1 MB) was freed: a second later what the allocator holds back is given
 * to the kernel, so that an idle process is small again.  At most one such timer is pending. */
void loop_trim_memory(struct loop *l);
/* Turns since the start: a watchdog sees a stuck loop by it. */
uint64_t loop_turns(const struct loop *l);

#endif
