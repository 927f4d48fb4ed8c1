/* redis_pipe.c - commands on their way: sent, waiting for READY, refused, answered.
 *
 *     redis_send -> give --READY--------------> output buffer + pipe --answer--> callback
 *                     | \--queue_while_down---> waiting --READY--> (as above) | --time-out-->
 * callback
 *                     \---otherwise-----------> refused --end of turn--> callback
 *
 * The server answers in order, so an answer belongs to the oldest command of
 * the pipe.  One command is one entry in an array; bytes go to libevent's
 * output buffer, large ones by reference, and are written once per turn.
 *
 * Reading: plain sockets are read here, in pieces of 16 KB; of TLS it is what
 * libevent has decrypted.  The pieces are what hiredis likes: it moves the rest
 * of its buffer down after each reply, which is quadratic for a buffer of many
 * small ones.
 *
 * Silence: one timer for all commands.  It is due command_timeout_ms after the
 * last byte from the server (plus what the oldest command may block), and is
 * looked at again when it fires, so the common case costs one comparison. */
#include "common/io/redis_private.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <hiredis/hiredis.h>

#include "common/core/xalloc.h"

enum {
    PIECE_BYTES = 16 << 10,
    PIECES_PER_TURN = 64,          /* then others have their turn */
    COPIED_BYTES = 4096,           /* smaller packets are copied to the output buffer */
    KEPT_READER_BYTES = 256 << 10, /* a reader that took more at once gives its memory back */
    LARGE_BYTES = 1 << 20          /* after more than that the allocator does too */
};

/* Error codes after which another connection is needed: the server is a
 * replica now, still loads, lost its master, or forgot who we are. */
static const char *const dooming[] = {"READONLY", "LOADING", "MASTERDOWN", "NOAUTH"};

static void finish(struct redis *r, struct command *c, const struct reply *reply,
                   const struct err *err)
{
    packet_drop(&c->packet);
    r->accepted--;
    if (c->cb)
        c->cb(c->arg, reply, err);
}

static bool is_ours(const struct command *c)
{
    return c->kind == COMMAND_GREETING || c->kind == COMMAND_RELOAD;
}

/* ---- silence ---- */

static void on_silence(void *arg);

static int64_t silence_due_ms(struct redis *r)
{
    return r->heard_ms + r->opt.command_timeout_ms + ring_at(&r->pipe, 0)->block_ms;
}

/* See that the timer is due no later than the oldest command's time-out. */
static void watch_silence(struct redis *r)
{
    int64_t due_ms;

    if (r->state != REDIS_READY || !r->pipe.count)
        return;
    due_ms = silence_due_ms(r);
    if (r->silence && r->silence_due_ms <= due_ms)
        return;
    loop_cancel(&r->silence);
    r->silence_due_ms = due_ms;
    r->silence = loop_after(r->loop, due_ms - clock_mono_ms(), on_silence, r);
}

static void on_silence(void *arg)
{
    struct redis *r = arg;
    struct err why;

    r->silence = NULL;
    if (r->pipe.count && clock_mono_ms() >= silence_due_ms(r)) {
        err_set(&why, ERR_REDIS_LOST, "no answer for %" PRId64 " ms",
                clock_mono_ms() - r->heard_ms);
        redis_lose(r, &why);
    }
    watch_silence(r);
}

/* ---- sending ---- */

static void drop_reference(const void *data, size_t n, void *packet)
{
    struct packet *p = packet;

    (void)data, (void)n;
    packet_drop(&p);
}

void pipe_put(struct redis *r, const struct command *c, struct packet *take_packet)
{
    struct evbuffer *out = bufferevent_get_output(r->bev);
    struct packet *packet = take_packet;
    struct command sent = *c;
    int failed;

    if (!r->pipe.count)
        r->heard_ms = clock_mono_ms();
    if (packet->n <= COPIED_BYTES)
        failed = evbuffer_add(out, packet->p, packet->n);
    else
        failed =
            evbuffer_add_reference(out, packet->p, packet->n, drop_reference, packet_use(packet));
    if (failed)
        abort(); /* no memory */
    sent.packet = sent.kind == COMMAND_SCRIPT ? TAKE(packet) : NULL;
    packet_drop(&packet);
    ring_push(&r->pipe, &sent);
    cork_written(r);
    watch_silence(r);
}

static void tell_refused(void *arg);

static void refuse(struct redis *r, struct command *c, enum err_kind kind)
{
    c->refused = kind;
    ring_push(&r->refused, c);
    if (!r->telling_refused)
        loop_defer(r->loop, tell_refused, r);
    r->telling_refused = true;
}

static void on_wait_limit(void *arg);

static void wait_for_ready(struct redis *r, struct command *c, struct packet *take_packet)
{
    c->packet = take_packet;
    c->given_ms = clock_mono_ms();
    r->waiting_bytes += take_packet->n;
    ring_push(&r->waiting, c);
    if (!r->wait_limit)
        r->wait_limit = loop_after(r->loop, r->opt.command_timeout_ms, on_wait_limit, r);
}

void pipe_give(struct redis *r, struct command *c, struct packet *take_packet)
{
    struct packet *packet = take_packet;
    bool is_ready = redis_is_ready(r);
    size_t pending =
        is_ready ? evbuffer_get_length(bufferevent_get_output(r->bev)) : r->waiting_bytes;

    r->accepted++;
    if (r->closing || (!is_ready && !r->opt.queue_while_down))
        refuse(r, c, ERR_REDIS_LOST);
    else if (!packet || packet->n > r->opt.max_output_bytes ||
             pending > r->opt.max_output_bytes - packet->n)
        refuse(r, c, ERR_MEMORY);
    else if (is_ready)
        pipe_put(r, c, TAKE(packet));
    else
        wait_for_ready(r, c, TAKE(packet));
    packet_drop(&packet);
}

/* ---- not sent ---- */

static void tell_refused(void *arg)
{
    struct redis *r = arg;
    struct command c;
    struct err err;

    redis_enter(r);
    r->telling_refused = false; /* what callbacks send now is told next time */
    for (size_t n = r->refused.count; n > 0 && ring_pop(&r->refused, &c); n--) {
        if (c.refused == ERR_MEMORY)
            err_set(&err, ERR_MEMORY, "the command was not sent: over %zu bytes for Redis at once",
                    r->opt.max_output_bytes);
        else
            err_set(&err, ERR_REDIS_LOST, "%s", r->why.msg);
        finish(r, &c, NULL, &err);
    }
    redis_leave(r);
}

static void on_wait_limit(void *arg)
{
    struct redis *r = arg;
    int64_t limit_ms = r->opt.command_timeout_ms, now_ms = clock_mono_ms();
    struct command c;
    struct err err;

    redis_enter(r);
    r->wait_limit = NULL;
    err_set(&err, ERR_REDIS_LOST, "not sent within %" PRId64 " ms: %s", limit_ms, r->why.msg);
    while (r->waiting.count && ring_at(&r->waiting, 0)->given_ms + limit_ms <= now_ms &&
           ring_pop(&r->waiting, &c)) {
        r->waiting_bytes -= c.packet->n;
        finish(r, &c, NULL, &err);
    }
    if (r->waiting.count && !r->wait_limit)
        r->wait_limit = loop_after(r->loop, ring_at(&r->waiting, 0)->given_ms + limit_ms - now_ms,
                                   on_wait_limit, r);
    redis_leave(r);
}

void pipe_flush_waiting(struct redis *r)
{
    struct command c;

    loop_cancel(&r->wait_limit);
    while (ring_pop(&r->waiting, &c)) {
        r->waiting_bytes -= c.packet->n;
        pipe_put(r, &c, TAKE(c.packet));
    }
}

void pipe_fail(struct redis *r, struct ring *ring, const struct err *why)
{
    struct command c;

    for (size_t n = ring->count; n > 0 && ring_pop(ring, &c); n--)
        if (!is_ours(&c))
            finish(r, &c, NULL, why);
}

void pipe_stop(struct redis *r, const struct err *why)
{
    int rounds = 0;

    loop_cancel(&r->wait_limit);
    while (r->pipe.count || r->waiting.count || r->refused.count) {
        assert(rounds++ < 1000); /* a callback that always sends again would never end */
        pipe_fail(r, &r->pipe, why);
        pipe_fail(r, &r->waiting, why);
        pipe_fail(r, &r->refused, why);
    }
    loop_undefer(r->loop, tell_refused, r);
}

/* ---- answers ---- */

void pipe_new_reader(struct redis *r)
{
    pipe_free_reader(r);
    r->reader = redisReaderCreate();
    if (!r->reader)
        abort(); /* no memory */
    r->reader->maxbuf = KEPT_READER_BYTES;
    r->fed = 0;
}

void pipe_free_reader(struct redis *r)
{
    if (r->reader)
        redisReaderFree(r->reader);
    r->reader = NULL;
}

/* The server does not know the script: teach it, and ask once more. */
static void send_script_again(struct redis *r, struct command *c)
{
    struct redis_args a;

    if (r->reloading != c->script) {
        redis_args_make(&a, "SCRIPT", "LOAD", c->script->text);
        r->reloading = c->script;
        pipe_put(r, &(struct command){.kind = COMMAND_RELOAD, .script = c->script},
                 redis_args_close(&a, NULL, 0));
    }
    c->kind = COMMAND_SCRIPT_ONCE;
    pipe_put(r, c, TAKE(c->packet));
}

static void note_doom(struct redis *r, const struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(dooming) && !r->doomed; i++)
        if (reply_error(err, dooming[i])) {
            r->doomed = true;
            r->doom = *err;
        }
}

static void answer_command(struct redis *r, struct command *c, const struct reply *reply,
                           const struct err *err)
{
    switch (c->kind) {
    case COMMAND_GREETING: redis_greeted(r, c, reply, err); break;
    case COMMAND_RELOAD:
        if (r->reloading == c->script)
            r->reloading = NULL;
        break;
    case COMMAND_SCRIPT:
        if (err && reply_error(err, "NOSCRIPT") && redis_is_ready(r))
            send_script_again(r, c);
        else
            finish(r, c, reply, err);
        break;
    case COMMAND_PLAIN:
    case COMMAND_SCRIPT_ONCE: finish(r, c, reply, err); break;
    }
}

static void answer(struct redis *r, redisReply *got)
{
    const struct reply *reply = (const struct reply *)(const void *)got;
    bool failed = reply_type(reply) == REPLY_ERROR;
    struct command c;
    struct err err;

    if (failed)
        err_set(&err, ERR_REDIS, "%s", got->str);
    if (!ring_pop(&r->pipe, &c)) {
        if (!failed)
            err_set(&err, ERR_REDIS, "Redis sent a reply that matches no command");
        redis_lose(r, &err);
    } else {
        if (failed && r->state == REDIS_READY)
            note_doom(r, &err);
        answer_command(r, &c, failed ? NULL : reply, failed ? &err : NULL);
    }
    if (r->keep_reply)
        r->kept = got;
    else
        freeReplyObject(got);
    r->keep_reply = false;
}

/* Parse n more bytes and answer what is complete.  False when the connection ended. */
static bool feed(struct redis *r, const char *p, size_t n)
{
    unsigned life = r->life;
    void *got = NULL;
    struct err why;

    redisReaderFeed(r->reader, p, n);
    r->fed += n;
    while (redisReaderGetReply(r->reader, &got) == REDIS_OK && got) {
        answer(r, got);
        if (r->life != life)
            return false;
    }
    if (r->reader->err) {
        err_set(&why, ERR_REDIS_LOST, "%s", r->reader->errstr);
        redis_lose(r, &why);
        return false;
    }
    if (r->reader->pos == r->reader->len && r->reader->ridx == -1) {
        if (r->fed > LARGE_BYTES)
            loop_trim_memory(r->loop);
        if (r->fed > KEPT_READER_BYTES)
            pipe_new_reader(r);
        r->fed = 0;
    }
    return true;
}

static ssize_t next_piece(struct redis *r, char *piece, size_t size)
{
    if (r->tls)
        return evbuffer_remove(bufferevent_get_input(r->bev), piece, size);
    return recv(bufferevent_getfd(r->bev), piece, size, MSG_DONTWAIT);
}

static bool is_end(const struct redis *r, ssize_t n, int error)
{
    return !r->tls && (n == 0 || (n < 0 && error != EAGAIN && error != EINTR));
}

bool pipe_read(struct redis *r, int *error)
{
    char piece[PIECE_BYTES];
    ssize_t n = sizeof(piece);

    r->heard_ms = clock_mono_ms();
    for (int i = 0; i < PIECES_PER_TURN && n == sizeof(piece); i++) { /* a short one is the last */
        n = next_piece(r, piece, sizeof(piece));
        *error = n < 0 ? errno : 0;
        if (n > 0 && !feed(r, piece, (size_t)n))
            return true; /* that connection is over; told */
    }
    if (r->doomed)
        redis_lose(r, &r->doom);
    else if (is_end(r, n, *error))
        return false;
    watch_silence(r);
    return true;
}
