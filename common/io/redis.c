/* redis.c - one connection to Redis that keeps itself alive: its states.
 *
 *            begin          connected        TLS ok           last answer ok
 *     DOWN ---------> DIALING ------> SECURING ------> GREETING ------> READY
 *      ^                 |  (plain sockets skip SECURING)  |              |
 *      +---- backoff ----+------------------+--------------+--------------+   redis_lose()
 *
 * Greeting: AUTH, SELECT, CLIENT SETNAME, SCRIPT LOAD of every script and a
 * PING go out in one write; each answer is checked, and the connection is READY
 * when the PING is answered (a server that still loads its data refuses it).
 * connect_timeout_ms covers all of it, so a server that accepts and then says
 * nothing is given up like one that does not accept.
 *
 * redis_lose() only closes and marks; commands are failed, on_lost is called
 * and the next attempt is planned by after_loss(), deferred to the end of the
 * turn.  So nobody's callback runs inside a call of theirs, and code on the
 * stack finds the loss by looking at `life` or `state`.
 *
 * The pause before the next attempt doubles with each try, with jitter, and
 * starts over once a connection was READY for backoff_max_ms: a server that
 * greets well and then answers READONLY is not asked in a tight circle.
 *
 * Commands are in redis_pipe.c; redis_private.h lists the other parts. */
#include "common/io/redis_private.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>

#include "common/core/random.h"
#include "common/core/xalloc.h"

enum { WRITE_BYTES = 1 << 20, READ_BYTES = 256 << 10, MAX_DOUBLINGS = 20 };

/* What is said on a new connection; PING is the last. */
struct greeting {
    const char *command;
    bool may_fail;
};
static const struct greeting say_auth = {"AUTH", false};
static const struct greeting say_select = {"SELECT", false};
static const struct greeting say_name = {"CLIENT SETNAME", true}; /* for operators' eyes only */
static const struct greeting say_script = {"SCRIPT LOAD", false};
static const struct greeting say_ping = {"PING", false};

/* clang-format off */
static const bool may_move[][REDIS_READY + 1] = {
    [REDIS_DOWN]     = {[REDIS_DIALING] = true},
    [REDIS_DIALING]  = {[REDIS_SECURING] = true, [REDIS_GREETING] = true, [REDIS_DOWN] = true},
    [REDIS_SECURING] = {[REDIS_GREETING] = true, [REDIS_DOWN] = true},
    [REDIS_GREETING] = {[REDIS_READY] = true, [REDIS_DOWN] = true},
    [REDIS_READY]    = {[REDIS_DOWN] = true},
};
/* clang-format on */

static void redis_begin(void *arg);
static void on_dialed(void *arg, int fd, const struct err *err);
static void on_read(struct bufferevent *bev, void *arg);
static void on_readable(void *arg, int fd, bool readable, bool writable);
static void on_event(struct bufferevent *bev, short what, void *arg);
static void on_connect_limit(void *arg);
static void greet(struct redis *r);
static void after_loss(void *arg);

static void set_state(struct redis *r, enum redis_state state)
{
    assert(may_move[r->state][state]);
    r->state = state;
}

/* ---- life ---- */

static int64_t or_default(int64_t value, int64_t standard) { return value > 0 ? value : standard; }

static void copy_options(struct redis *r, const struct redis_options *opt)
{
    struct redis_options *o = &r->opt;

    *o = *opt;
    o->url = o->client_name = o->ca_file = NULL; /* the caller's; what we need of them is copied */
    o->connect_timeout_ms = or_default(o->connect_timeout_ms, 5000);
    o->command_timeout_ms = or_default(o->command_timeout_ms, 10000);
    o->backoff_min_ms = or_default(o->backoff_min_ms, 50);
    o->backoff_max_ms = or_default(o->backoff_max_ms, 2000);
    if (o->backoff_max_ms < o->backoff_min_ms)
        o->backoff_max_ms = o->backoff_min_ms;
    if (!o->max_output_bytes)
        o->max_output_bytes = (size_t)64 << 20;
    r->client_name = xstrdup(opt->client_name);
}

struct redis *redis_new(struct loop *borrow_loop, const struct redis_options *opt, struct err *err)
{
    struct redis *r = xcalloc(1, sizeof(*r));

    if (!redis_url_parse(opt->url, &r->url, err)) {
        free(r);
        return NULL;
    }
    if (r->url.tls && !tls_context(opt->ca_file, &r->tls, err)) {
        redis_url_done(&r->url);
        free(r);
        return NULL;
    }
    r->loop = borrow_loop;
    r->place = redis_url_redacted(&r->url);
    copy_options(r, opt);
    err_set(&r->why, ERR_REDIS_LOST, "Redis at %s: not connected yet", r->place);
    loop_defer(r->loop, redis_begin, r);
    return r;
}

static void disconnect(struct redis *r)
{
    r->life++;
    loop_cancel(&r->connect_limit);
    loop_cancel(&r->silence);
    dial_cancel(&r->dial);
    cork_close(r);
    if (r->bev)
        bufferevent_free(r->bev);
    r->bev = NULL;
    pipe_free_reader(r);
    r->reloading = NULL;
    r->doomed = false;
}

static void destroy(struct redis *r)
{
    assert(!r->accepted);
    ring_done(&r->pipe);
    ring_done(&r->waiting);
    ring_done(&r->refused);
    if (r->tls)
        tls_context_free(r->tls);
    redis_url_done(&r->url);
    free(r->place);
    free(r->client_name);
    free(r->shas);
    if (r->kept)
        freeReplyObject(r->kept);
    free(r);
}

void redis_enter(struct redis *r) { r->depth++; }

void redis_leave(struct redis *r)
{
    assert(r->depth);
    if (!--r->depth && r->closing)
        destroy(r);
}

void redis_free(struct redis *r)
{
    struct err why;

    if (!r)
        return;
    assert(!r->closing);
    redis_enter(r);
    r->closing = true;
    err_set(&why, ERR_REDIS_LOST, "Redis at %s: the connection was closed here", r->place);
    disconnect(r);
    loop_undefer(r->loop, redis_begin, r);
    loop_undefer(r->loop, after_loss, r);
    loop_cancel(&r->again);
    r->why = why;
    pipe_stop(r, &why);
    redis_leave(r);
}

bool redis_is_ready(const struct redis *r) { return r->state == REDIS_READY && !r->doomed; }

size_t redis_outstanding(const struct redis *r) { return r->accepted; }

/* ---- connecting ---- */

static void redis_begin(void *arg)
{
    struct redis *r = arg;

    r->again = NULL;
    r->hurry = false;
    set_state(r, REDIS_DIALING);
    r->connect_limit = loop_after(r->loop, r->opt.connect_timeout_ms, on_connect_limit, r);
    r->dial = dial_start(r->loop, &r->url, r->tries, on_dialed, r);
}

static void on_connect_limit(void *arg)
{
    static const char *const missing[] = {
        [REDIS_DIALING] = "no connection",
        [REDIS_SECURING] = "connected, but TLS was not agreed on",
        [REDIS_GREETING] = "connected, but no answer",
    };
    struct redis *r = arg;
    struct err why;

    r->connect_limit = NULL;
    assert(r->state > REDIS_DOWN && r->state < REDIS_READY);
    err_set(&why, ERR_REDIS_LOST, "%s within %" PRId64 " ms", missing[r->state],
            r->opt.connect_timeout_ms);
    redis_lose(r, &why);
}

static void on_drained(struct bufferevent *bev, void *arg)
{
    (void)bev;
    cork_drained(arg);
}

static void on_dialed(void *arg, int fd, const struct err *err)
{
    struct redis *r = arg;

    r->dial = NULL;
    if (fd < 0) {
        redis_lose(r, err);
        return;
    }
    r->bev = r->tls ? tls_start(r->loop, r->tls, fd, r->url.host)
                    : bufferevent_socket_new(loop_base(r->loop), fd, BEV_OPT_CLOSE_ON_FREE);
    if (!r->bev)
        abort();
    bufferevent_setcb(r->bev, on_read, on_drained, on_event, r);
    bufferevent_set_max_single_read(r->bev, READ_BYTES);
    bufferevent_set_max_single_write(r->bev, WRITE_BYTES);
    bufferevent_enable(r->bev, EV_READ | EV_WRITE);
    cork_open(r, on_readable);
    if (r->tls)
        set_state(r, REDIS_SECURING);
    else
        greet(r);
}

/* The end of a connection that is not our doing; `error` is its errno, or 0. */
static void on_end(struct redis *r, short what, int error)
{
    const char *tls = r->tls ? tls_why(r->bev) : NULL;
    unsigned life = r->life;
    int read_error = 0;
    struct err why;

    /* a failed write may come before the server's last words were read */
    if (r->reader && !pipe_read(r, &read_error) && !error)
        error = read_error;
    if (r->life != life)
        return;
    if (tls)
        err_set(&why, ERR_REDIS_LOST, "TLS: %s", tls);
    else if ((what & BEV_EVENT_EOF) || !error)
        err_set(&why, ERR_REDIS_LOST, "the server closed the connection%s",
                r->state == REDIS_SECURING ? " instead of speaking TLS" : "");
    else
        err_set(&why, ERR_REDIS_LOST, "%s", strerror(error));
    redis_lose(r, &why);
}

/* TLS: libevent has decrypted something. */
static void on_read(struct bufferevent *bev, void *arg)
{
    struct redis *r = arg;
    int error;

    (void)bev;
    redis_enter(r);
    (void)!pipe_read(r, &error);
    redis_leave(r);
}

static void on_readable(void *arg, int fd, bool readable, bool writable)
{
    struct redis *r = arg;
    int error;

    (void)fd, (void)readable, (void)writable;
    redis_enter(r);
    if (!pipe_read(r, &error))
        on_end(r, error ? 0 : BEV_EVENT_EOF, error);
    redis_leave(r);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct redis *r = arg;
    int error = errno;

    (void)bev;
    redis_enter(r);
    if (!(what & BEV_EVENT_CONNECTED))
        on_end(r, what, error);
    else if (r->state == REDIS_SECURING)
        greet(r);
    redis_leave(r);
}

/* ---- greeting ---- */

static void say(struct redis *r, const struct greeting *g, const struct redis_script *script,
                const char *const words[])
{
    struct redis_args a;

    redis_args_init(&a);
    for (size_t i = 0; words[i]; i++)
        redis_arg_str(&a, words[i]);
    pipe_put(r, &(struct command){.kind = COMMAND_GREETING, .greeting = g, .script = script},
             redis_args_close(&a, NULL, 0));
}

static void greet(struct redis *r)
{
    const struct redis_url *u = &r->url;
    char database[16];

    set_state(r, REDIS_GREETING);
    pipe_new_reader(r);
    if (u->password && u->user)
        say(r, &say_auth, NULL, (const char *const[]){"AUTH", u->user, u->password, NULL});
    else if (u->password)
        say(r, &say_auth, NULL, (const char *const[]){"AUTH", u->password, NULL});
    if (r->client_name)
        say(r, &say_name, NULL, (const char *const[]){"CLIENT", "SETNAME", r->client_name, NULL});
    snprintf(database, sizeof(database), "%d", u->database);
    if (u->database)
        say(r, &say_select, NULL, (const char *const[]){"SELECT", database, NULL});
    for (size_t i = 0; r->opt.scripts && r->opt.scripts[i]; i++)
        say(r, &say_script, r->opt.scripts[i],
            (const char *const[]){"SCRIPT", "LOAD", r->opt.scripts[i]->text, NULL});
    say(r, &say_ping, NULL, (const char *const[]){"PING", NULL});
}

static void ready(struct redis *r)
{
    set_state(r, REDIS_READY);
    loop_cancel(&r->connect_limit);
    r->ready_ms = clock_mono_ms();
    pipe_flush_waiting(r);
    if (r->opt.on_ready)
        r->opt.on_ready(r->opt.arg);
}

void redis_greeted(struct redis *r, const struct command *c, const struct reply *reply,
                   const struct err *err)
{
    const char *name = c->script ? c->script->name : "";
    struct err why;

    if (err && c->greeting->may_fail)
        return;
    if (c->greeting == &say_ping && err && reply_error(err, "MISCONF"))
        err = NULL; /* it answers so to PING while it refuses writes; reading goes on */
    if (err && !strncmp(err->msg, "ERR unknown command", 19)) /* its text repeats the arguments */
        err_set(&why, ERR_REDIS, "%s: the server does not know this command", c->greeting->command);
    else if (err)
        err_set(&why, ERR_REDIS, "%s%s%s: %s", c->greeting->command, *name ? " " : "", name,
                err->msg);
    else if (c->script && !reply_is(reply, redis_sha1(r, c->script)))
        err_set(&why, ERR_REDIS, "SCRIPT LOAD %s: the server answered another SHA-1", name);
    else {
        if (c->greeting == &say_ping)
            ready(r);
        return;
    }
    redis_lose(r, &why);
}

/* ---- losing ---- */

void redis_lose(struct redis *r, const struct err *why)
{
    struct err copy = *why; /* it may be r->why */

    if (r->state == REDIS_DOWN || r->closing)
        return;
    r->tries++;
    if (r->state == REDIS_READY && clock_mono_ms() - r->ready_ms >= r->opt.backoff_max_ms)
        r->tries = 0;
    r->losses++;
    r->why = copy;
    err_wrap(&r->why, "Redis at %s", r->place);
    disconnect(r);
    set_state(r, REDIS_DOWN);
    loop_defer(r->loop, after_loss, r);
}

static int64_t backoff_ms(const struct redis *r)
{
    unsigned doublings = r->tries < MAX_DOUBLINGS ? r->tries : MAX_DOUBLINGS;
    int64_t ms = r->opt.backoff_min_ms << doublings;

    if (r->hurry)
        return 0;
    if (ms > r->opt.backoff_max_ms)
        ms = r->opt.backoff_max_ms;
    return ms / 2 + random_below(ms - ms / 2 + 1);
}

static void after_loss(void *arg)
{
    struct redis *r = arg;
    struct err lost = r->why;

    redis_enter(r);
    lost.kind = ERR_REDIS_LOST;
    pipe_fail(r, &r->pipe, &lost);
    if (!r->closing && r->opt.on_lost)
        r->opt.on_lost(r->opt.arg, &r->why);
    if (!r->closing)
        r->again = loop_after(r->loop, backoff_ms(r), redis_begin, r);
    redis_leave(r);
}

void redis_reconnect(struct redis *r)
{
    struct err why;

    r->hurry = true;
    err_set(&why, ERR_REDIS_LOST, "a new connection was asked for");
    redis_lose(r, &why);
    if (!r->again)
        return; /* after_loss() or the first redis_begin() is still to come */
    loop_cancel(&r->again);
    r->again = loop_after(r->loop, 0, redis_begin, r);
}
