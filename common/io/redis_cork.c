/* redis_cork.c - what one turn of the loop sends goes out in one write at its end.
 *
 *   CORKED --commands, end of turn--> written whole --> CORKED
 *                                        | the socket is full
 *                                        v
 *                                     OPEN (libevent writes when it can) --drained--> CORKED
 *
 * Left to itself libevent arms the socket for writing, waits once more, writes
 * and disarms it: three more system calls for each request, and one more turn
 * before it leaves.  It also asks how much there is before each read, and cannot
 * read more than 4 KB at once: so the socket is read by redis_pipe.c.
 * TLS keeps libevent's way, its bytes are not the socket's. */
#include "common/io/redis_private.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

enum { WRITES_MAX = 16 }; /* for one flush; a writev takes only so many pieces */

void cork_open(struct redis *r, loop_io_cb *on_readable)
{
    if (r->tls)
        return;
    bufferevent_disable(r->bev, EV_READ | EV_WRITE);
    r->readable = loop_watch(r->loop, bufferevent_getfd(r->bev), true, false, on_readable, r);
}

static void flush(void *arg)
{
    struct redis *r = arg;
    struct evbuffer *out;

    r->flushing = false;
    if (!r->bev || (bufferevent_get_enabled(r->bev) & EV_WRITE))
        return;
    out = bufferevent_get_output(r->bev);
    evbuffer_unfreeze(out, 1);
    for (int i = 0; i < WRITES_MAX && evbuffer_get_length(out) > 0; i++)
        if (evbuffer_write(out, bufferevent_getfd(r->bev)) <= 0)
            break;
    evbuffer_freeze(out, 1);
    if (evbuffer_get_length(out) > 0) /* full, or broken: libevent finds out and tells */
        bufferevent_enable(r->bev, EV_WRITE);
}

void cork_written(struct redis *r)
{
    if (r->tls || r->flushing)
        return;
    r->flushing = true;
    loop_defer(r->loop, flush, r);
}

void cork_drained(struct redis *r)
{
    if (!r->tls && r->bev)
        bufferevent_disable(r->bev, EV_WRITE);
}

void cork_close(struct redis *r)
{
    loop_unwatch(&r->readable);
    if (r->flushing)
        loop_undefer(r->loop, flush, r);
    r->flushing = false;
}
