/* redis.h - one connection to Redis that keeps itself alive.
 *
 * A libevent bufferevent carries the bytes (plain, unix socket or verified
 * TLS); hiredis only formats commands and reads replies.  Commands are
 * pipelined in order.
 *
 *   DOWN --connect--> CONNECTING --AUTH/SELECT/SCRIPT LOAD ok--> READY --lost--> DOWN (jittered
 * backoff)
 *
 * Guarantees to callers:
 *   - Every command's callback is called exactly once, never before the call
 *     returns, with a reply, or with reply == NULL and err filled.  An error
 *     reply is an err too (ERR_REDIS with its text); errors inside arrays are REPLY_ERROR.
 *   - ERR_REDIS_LOST: the connection died after the command was accepted here;
 *     it may or may not have run.  The module never sends a command twice
 *     (except a script that answered NOSCRIPT, i.e. did not run).
 *   - Commands given while not READY are refused the same way (ERR_REDIS_LOST,
 *     by callback), unless `queue_while_down` is set, in which case they wait,
 *     at most max_output_bytes of them, until READY or their time-out.
 *   - A reply -READONLY or -LOADING or -MASTERDOWN ends the connection (callbacks get ERR_REDIS
 * with the text) and it is opened anew with backoff; -OOM reaches the caller as ERR_REDIS,
 * reply_error() tells.
 *   - command_timeout_ms without any byte from the server while something
 *     is outstanding closes the connection (blocking commands: their own timeout on top).
 *   - Output is bounded by max_output_bytes: beyond it commands are refused (ERR_MEMORY).
 */
#ifndef FLOTILLA_REDIS_H
#define FLOTILLA_REDIS_H

#include <stdarg.h>

#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/err.h"
#include "common/io/redis_words.h"

struct loop;
struct redis;
struct reply; /* borrowed; valid during the callback only */

/* ---- where ---- */
struct redis_url {
    bool tls, is_unix;
    char *host; /* or the socket's path */
    int port;
    char *user, *password; /* NULL: none; percent-decoded */
    int database;
};
/* redis://[user[:password]@]host[:port][/db], rediss://..., unix:///path[?db=N] or
 * unix://user:pass@/path */
NODISCARD bool redis_url_parse(const char *text, struct redis_url *ret, struct err *err);
void redis_url_done(struct redis_url *u);
/* The URL with the password replaced by *** (for logs); caller frees. */
char *redis_url_redacted(const struct redis_url *u);

struct redis_options {
    const char *url;                                /* copied */
    const char *client_name;                        /* CLIENT SETNAME; copied; NULL none */
    const char *ca_file;                            /* rediss: NULL = the system's */
    int64_t connect_timeout_ms, command_timeout_ms; /* 0: 5000 and 10000 */
    int64_t backoff_min_ms, backoff_max_ms;         /* 0: 50 and 2000 */
    size_t max_output_bytes;                        /* 0: 64 MiB */
    bool queue_while_down;
    const struct redis_script *const
        *scripts;                /* loaded at each connect; NULL-terminated list; borrowed */
    void (*on_ready)(void *arg); /* each time the connection became READY; may be NULL */
    void (*on_lost)(
        void *arg,
        const struct err *why); /* each time READY ended, or a connect failed; may be NULL */
    void *arg;
};
/* A script and its SHA-1 (hex), computed on first use.  See queue/scripts.h. */
struct redis_script {
    const char *name, *text;
    char sha1[41];
};

/* NULL with err when the URL is bad.  Connecting starts on the loop's next turn. */
struct redis *redis_new(struct loop *borrow_loop, const struct redis_options *opt, struct err *err);
/* Outstanding callbacks are called with ERR_REDIS_LOST during this call.  May be called inside a
 * callback. */
void redis_free(struct redis *r);
bool redis_is_ready(const struct redis *r);
size_t redis_outstanding(const struct redis *r);
void redis_reconnect(struct redis *r); /* drop the connection now and connect again */

/* ---- commands ---- */
typedef void redis_cb(void *arg, const struct reply *reply, const struct err *err);

/* Arguments of a command.  Added bytes are copied into one buffer (already in RESP form). */
struct redis_args {
    struct buf bytes;
    size_t count;
};
void redis_args_init(struct redis_args *a); /* cap 64 MiB */
void redis_args_done(struct redis_args *a);
void redis_arg(struct redis_args *a, const void *p, size_t n);
void redis_arg_str(struct redis_args *a, const char *s);
void redis_arg_span(struct redis_args *a, struct span s);
void redis_arg_int(struct redis_args *a, int64_t v);
/* All arguments of part behind those of a; part stays as it is. */
void redis_args_append(struct redis_args *a, const struct redis_args *part);
/* The command's name, for messages; cut to size with its NUL. */
void redis_args_name(const struct redis_args *a, char *name, size_t size);
/* Init, and all words up to a NULL. */
void redis_args_words(struct redis_args *a, va_list words);
/* Many arguments at once, each by its own type: redis_args_make and redis_args_add in redis_words.h.
 */
/* One argument made of several pieces. */
void redis_arg_pieces(struct redis_args *a, const struct span *pieces, size_t count);

/* Send a command; the arguments are consumed (a is done afterwards).  cb may be NULL. */
void redis_send(struct redis *r, struct redis_args *a, redis_cb *cb, void *arg);
/* The same for blocking commands (BLMOVE, BLPOP, XREAD BLOCK): extends the time-out by block_ms. */
void redis_send_blocking(struct redis *r, struct redis_args *a, int64_t block_ms, redis_cb *cb,
                         void *arg);
/* EVALSHA script nkeys args...; on NOSCRIPT it is loaded and sent once more.  `a` holds keys, then
 * args. */
void redis_script(struct redis *r, const struct redis_script *s, size_t nkeys, struct redis_args *a,
                  redis_cb *cb, void *arg);
/* For short fixed commands: redis_sendv(r, cb, arg, "LLEN", key, NULL), all NUL-terminated. */
void redis_sendv(struct redis *r, redis_cb *cb, void *arg, ...) __attribute__((sentinel));
/* Forget a callback: every outstanding command with that arg will still be read but not reported.
 */
void redis_forget(struct redis *r, const void *arg);

/* Turn the loop until this one command was answered (CLI, tests; never in daemons nor in
 * callbacks). Waits for the attempt to connect that is under way; when it fails, its reason is err.
 * The reply is valid until the next redis_call on r.  NULL with err on error replies too. */
const struct reply *redis_call(struct redis *r, struct redis_args *a, struct err *err);

/* ---- replies ---- */
/* err is an error reply whose first word is code: reply_error(err, "OOM"). */
bool reply_error(const struct err *err, const char *code);
enum reply_type { REPLY_NIL, REPLY_INT, REPLY_STRING, REPLY_STATUS, REPLY_ERROR, REPLY_ARRAY };
enum reply_type reply_type(const struct reply *r); /* NULL counts as NIL */
int64_t reply_int(const struct reply *r);          /* 0 unless INT (or a decimal string) */
struct span reply_span(const struct reply *r); /* STRING, STATUS or ERROR text; else {NULL, 0} */
bool reply_is(const struct reply *r, const char *text);        /* STRING or STATUS equal to text */
size_t reply_count(const struct reply *r);                     /* elements of an ARRAY; else 0 */
const struct reply *reply_at(const struct reply *r, size_t i); /* NULL past the end */

#endif
