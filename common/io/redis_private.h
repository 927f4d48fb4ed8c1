/* redis_private.h - what the files of the Redis client share; for common/io/redis*.c only.
 *
 *   redis.c         one connection: states, connecting, greeting, losing, backoff
 *   redis_send.c    the commands that callers give
 *   redis_pipe.c    their way: sending, waiting, answering, time-outs
 *   redis_cork.c    one write per turn
 *   redis_ring.c    a queue of commands in an array
 *   redis_dial.c    name or path -> connected socket
 *   redis_tls.c     certificates and their checks
 *   redis_args.c    arguments -> packet
 *   redis_reply.c   typed reading of replies
 *   redis_url.c     text -> struct redis_url
 */
#ifndef FLOTILLA_REDIS_PRIVATE_H
#define FLOTILLA_REDIS_PRIVATE_H

#include "common/core/clock.h"
#include "common/io/loop.h"
#include "common/io/redis.h"

struct bufferevent;
struct redisReader;
struct ssl_ctx_st;
struct ssl_st;

/* ---- packets: the bytes of one command, shared by the output buffer and a command that may repeat
 * ---- */
struct packet {
    unsigned users;
    size_t n;
    const char *p;
    char *memory;
};
/* Finish a (it is done afterwards).  With sha1 it becomes EVALSHA sha1 nkeys ...; NULL when it is
 * over its cap. */
struct packet *redis_args_close(struct redis_args *a, const char *sha1, size_t nkeys);
struct packet *packet_use(struct packet *p);
void packet_drop(struct packet **pp); /* NULL is fine */

/* ---- rings of commands ---- */
enum command_kind {
    COMMAND_PLAIN,
    COMMAND_SCRIPT,      /* may still answer NOSCRIPT: the packet is kept */
    COMMAND_SCRIPT_ONCE, /* was already sent again */
    COMMAND_GREETING,    /* ours: part of what is said on a new connection */
    COMMAND_RELOAD       /* ours: SCRIPT LOAD after a NOSCRIPT */
};
struct command {
    enum command_kind kind;
    enum err_kind refused; /* in the ring of refused ones: why */
    redis_cb *cb;          /* NULL: nobody wants to know */
    void *arg;
    struct packet *packet; /* kept until answered (scripts) or sent (waiting); else NULL */
    const struct redis_script *script;
    const struct greeting *greeting;
    int64_t block_ms;
    int64_t given_ms; /* waiting ones: since when */
};
struct ring {
    struct command *slots; /* cap is a power of two */
    size_t cap, first, count;
};
void ring_push(struct ring *ring, const struct command *c);
NODISCARD bool ring_pop(struct ring *ring, struct command *ret);
struct command *ring_at(struct ring *ring, size_t i); /* 0 is the oldest */
void ring_done(struct ring *ring);

/* ---- connecting ---- */
struct dial;
/* Exactly once, never before dial_start returned: a connected socket that the callee owns, or -1
 * with err. */
typedef void dial_cb(void *arg, int fd, const struct err *err);
/* `attempt` rotates the addresses that are tried first. */
struct dial *dial_start(struct loop *l, const struct redis_url *borrow_url, unsigned attempt,
                        dial_cb *cb, void *arg);
void dial_cancel(struct dial **d); /* no callback afterwards; NULL is fine */

NODISCARD bool tls_context(const char *ca_file, struct ssl_ctx_st **ret, struct err *err);
void tls_context_free(struct ssl_ctx_st *context);
/* TLS as a client over the connected fd, which it owns; checks the certificate against host. */
struct bufferevent *tls_start(struct loop *l, struct ssl_ctx_st *context, int fd, const char *host);
/* Why it ended, for a message. */
const char *tls_why(struct bufferevent *bev);

/* ---- the connection ---- */
enum redis_state { REDIS_DOWN, REDIS_DIALING, REDIS_SECURING, REDIS_GREETING, REDIS_READY };

struct script_sha {
    const struct redis_script *script;
    char hex[41];
};

struct redis {
    struct loop *loop;
    struct redis_url url;
    char *place; /* the URL without its password, for messages */
    char *client_name;
    struct redis_options opt; /* numbers and functions; its texts are not used */
    struct script_sha *shas;
    size_t sha_count;

    enum redis_state state; /* written by redis_set_state() only */
    bool closing;           /* redis_free() was called */
    unsigned depth;         /* of our functions on the stack: freed when 0 */
    unsigned life;          /* counts connections, so that a callback's doing is noticed */
    unsigned losses;        /* connections and attempts that ended */
    unsigned tries;         /* since the last good one: the exponent of the backoff */
    bool hurry;             /* no backoff this time */
    struct err why;         /* of the last loss */
    int64_t ready_ms;

    struct dial *dial;
    struct bufferevent *bev;
    struct ssl_ctx_st *tls; /* NULL: plain */
    struct redisReader *reader;
    size_t fed; /* bytes since the reader was last empty */
    struct loop_timer *again, *connect_limit, *silence, *wait_limit;

    struct ring pipe;               /* sent, answers are due in this order */
    struct ring waiting;            /* for READY (queue_while_down) */
    struct ring refused;            /* to be told so */
    size_t waiting_bytes, accepted; /* accepted: callbacks that are due */
    bool telling_refused;
    struct loop_io *readable; /* plain sockets */
    bool flushing;            /* a flush is deferred to the end of the turn */
    int64_t heard_ms;         /* the last byte, or when something became outstanding */
    int64_t silence_due_ms;
    const struct redis_script *reloading;
    bool doomed; /* an answer said that this server will not do: doom */
    struct err doom;

    bool keep_reply; /* set by redis_call()'s callback: do not free the reply */
    void *kept;      /* the reply that redis_call() returned */
};

/* redis_cork.c: bytes were added to the output; it drained; a connection begins (on_readable: of a
 * plain socket); it ends */
void cork_written(struct redis *r);
void cork_drained(struct redis *r);
void cork_open(struct redis *r, loop_io_cb *on_readable);
void cork_close(struct redis *r);

/* redis.c */
void redis_enter(struct redis *r);
void redis_leave(struct redis *r); /* may free r */
void redis_lose(struct redis *r, const struct err *why);
void redis_greeted(struct redis *r, const struct command *c, const struct reply *reply,
                   const struct err *err);

/* redis_pipe.c */
/* A command of a caller: sent, put aside or refused.  No packet: it was over its cap. */
void pipe_give(struct redis *r, struct command *c, struct packet *take_packet);
/* Onto the wire, whatever the state. */
void pipe_put(struct redis *r, const struct command *c, struct packet *take_packet);
void pipe_flush_waiting(struct redis *r); /* READY: what waited is sent */
void pipe_fail(struct redis *r, struct ring *ring, const struct err *why);
void pipe_stop(struct redis *r, const struct err *why); /* closing: fail everything */
/* Bytes may have come.  False when the stream has ended: *error is its errno, 0 at its proper end.
 * (TLS: libevent tells that.) */
NODISCARD bool pipe_read(struct redis *r, int *error);
void pipe_new_reader(struct redis *r);
void pipe_free_reader(struct redis *r);

/* redis_send.c */
const char *redis_sha1(struct redis *r, const struct redis_script *s);

#endif
