/* proxy.h - a faulty network between the programs and Redis.
 *
 *     struct proxy *p = proxy_start(".../proxy.sock", ".../redis.sock");
 *     proxy_lose_reply(p, "the-token");   what follows is the next request with that text:
 *     ...                                 Redis runs it, its reply never arrives
 *     ck_assert_int_eq(proxy_stats(p).faults, 1);
 *
 * Every function is in force when it returns.  A request is one command as
 * Redis counts them; it matches when one of its arguments contains the text.
 * One fault waits at a time, and happens once.
 */
#ifndef FLOTILLA_TESTS_PROXY_H
#define FLOTILLA_TESTS_PROXY_H

#include "common/core/base.h"

struct proxy;

struct proxy_stats {
    int64_t open;     /* connections now */
    int64_t accepted; /* connections ever */
    int64_t requests; /* commands forwarded */
    int64_t faults;   /* single ones that happened */
};

/* Listen on one unix socket, forward to another (which need not exist yet). */
struct proxy *proxy_start(const char *listen_path, const char *upstream_path);
void proxy_free(struct proxy *p); /* NULL is fine */

/* States; each ends the one before. */
void proxy_pass(
    struct proxy *p); /* a good network: stalled bytes flow again, refused ones may come */
void proxy_stall(
    struct proxy *p); /* nothing flows either way and nothing is closed; new ones too */
void proxy_refuse(struct proxy *p); /* cut all, and refuse new connections */

/* Single faults. */
void proxy_cut(struct proxy *p); /* close all connections now */
void proxy_lose_reply(struct proxy *p,
                      const char *text); /* run by Redis, then the connection is closed */
void proxy_lose_request(struct proxy *p,
                        const char *text); /* closed before Redis sees the whole of it */
void proxy_silence_reply(struct proxy *p,
                         const char *text); /* run by Redis, then the connection stays silent */
void proxy_lose_replies(struct proxy *p,
                        const char *text); /* neither its reply nor a later one of that connection
                                              arrives; what is sent on it is still run */
void proxy_stall_after(struct proxy *p,
                       const char *text); /* its reply arrives, then as after proxy_stall */

struct proxy_stats proxy_stats(struct proxy *p);

#endif
