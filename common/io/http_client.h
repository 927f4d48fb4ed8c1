/* http_client.h - HTTP requests on the loop, over curl_multi; never sent twice by accident.
 *
 * What it promises (the measured traps of libcurl are closed here, in one place):
 *   - A request is put on the wire at most once.  libcurl would re-send a
 *     request on a dead keep-alive connection; here a second writing is
 *     refused before it happens: outcome HTTP_SENT_UNKNOWN.
 *   - HTTP/1.1 only, no redirects followed, no Expect, no proxy for webhooks,
 *     CAPATH off (its parsing costs 40 ms per TLS connection), hard total
 *     time-out, connect time-out, idle time-out for streams, caps on header
 *     and body bytes, DNS not blocking the loop.
 *   - No server is asked to compress.  A body that is compressed all the same (gzip, deflate) is
 *     decoded, and the caps count its decoded bytes.
 *   - The callback comes exactly once, never inside http_send, also after
 *     http_cancel (HTTP_CANCELLED).
 */
#ifndef FLOTILLA_HTTP_CLIENT_H
#define FLOTILLA_HTTP_CLIENT_H

#include "common/core/base.h"
#include "common/core/buf.h"

struct loop;
struct http_client;
struct http_call;

/* How far a request came: what may have been executed (and billed) over there. */
enum http_outcome {
    HTTP_ANSWERED,     /* a complete response is in the reply */
    HTTP_NOT_SENT,     /* no connection (also in time), or not a byte of the request was written */
    HTTP_SENT_UNKNOWN, /* sent, wholly or partly, and no byte of an answer came */
    HTTP_CUT,          /* the answer began and did not end */
    HTTP_TIMED_OUT,    /* time-out, total or idle, after the request began to be sent */
    HTTP_TOO_LARGE,    /* the answer went over max_answer_bytes, or its headers over 64 KB */
    HTTP_REFUSED,      /* not sent: bad URL or header, not https, address not allowed (webhooks) */
    HTTP_CANCELLED     /* http_cancel; `sent` tells whether bytes went out */
};

struct http_reply {
    enum http_outcome outcome;
    int status;          /* 0 unless a status line came */
    bool reused;         /* the connection had been used before */
    bool sent;           /* at least one byte of the request was written */
    bool unverified;     /* no connection: the certificate is not one of the authorities', or they
                            cannot be read; detail says which */
    struct span body;    /* borrowed; complete when ANSWERED (without a length: up to the close) */
    struct span headers; /* raw header block of the last response, borrowed */
    int64_t connect_ms;  /* TCP and TLS; 0 when reused */
    int64_t total_ms;    /* from http_send on */
    const char *detail;  /* why it failed, "" when it did not; never contains the key.  Without a
                            connection: with the addresses that were tried */
};
typedef void http_cb(void *arg, const struct http_reply *reply);
/* A piece of a streamed body; return false to cut the call (outcome CANCELLED). */
typedef bool http_data_cb(void *arg, const char *p, size_t n);
/* The body begins (status and headers of the reply are there, the rest is not): does it go to
 * on_data?  False: it is collected, as without on_data. */
typedef bool http_head_cb(void *arg, const struct http_reply *head);

/* Which resolved addresses a request may connect to. */
struct http_networks; /* a list of CIDRs; see http_networks_parse */

struct http_request {
    const char *method, *url;   /* "POST", "https://..."; both and the headers are copied */
    const char *const *headers; /* "Name: value" lines, NULL-terminated; Authorization among them */
    struct span body;           /* copied by http_send unless take_body */
    bool take_body;             /* body.p is malloc'd and becomes the call's */
    int64_t timeout_ms;         /* total; required */
    int64_t connect_timeout_ms; /* 0: 10000; DNS and TLS are in it */
    int64_t idle_timeout_ms;    /* no byte for so long after the answer began; 0: none */
    int64_t first_byte_ms;      /* until the first byte of the body; the idle time-out counts from
                                   there.  0: none, and it counts from the first byte of all */
    size_t max_answer_bytes;    /* required; all pieces together */
    size_t max_stream_bytes;    /* of a body that goes to on_data; 0: max_answer_bytes */
    bool plain_http_allowed;    /* else only https:// (and http:// to an address in allow) */
    bool same_url;              /* one of a few that come again and again: kept parsed */
    bool refuse_private;        /* webhooks: refuse private, loopback... by resolved address */
    const struct http_networks *allow; /* exceptions to that, borrowed until on_done; or NULL */
    http_data_cb *on_data;             /* NULL: the body is collected */
    http_head_cb *on_head;             /* NULL: on_data gets every body */
    http_cb *on_done;
    void *arg;
};

struct http_client_options {
    size_t max_connections; /* kept open for reuse; 0: 256 */
    const char *user_agent; /* copied; NULL: flotilla/VERSION */
    const char *ca_file;    /* NULL: $SSL_CERT_FILE, else the system's bundle */
    int64_t max_idle_ms;    /* a kept connection idle for longer is not reused; 0: 30000 */
};
/* opt may be NULL. */
struct http_client *http_client_new(struct loop *borrow_loop,
                                    const struct http_client_options *opt);
/* Calls in flight get CANCELLED during this call, and must not send again then.  NULL is fine.
 * Not from inside on_done or on_data. */
void http_client_free(struct http_client *c);
/* The handle is for http_cancel only, and dead once on_done started.  on_done and on_data may send
 * and cancel; the reply and its spans are gone when on_done returns. */
struct http_call *http_send(struct http_client *c, const struct http_request *req);
void http_cancel(struct http_call *call); /* its on_done comes on a later turn with CANCELLED */
size_t http_in_flight(const struct http_client *c);

/* "10.0.0.0/8,fd00::/8" -> list; NULL with *bad pointing at the wrong item. */
struct http_networks *http_networks_parse(const char *text, const char **bad);
void http_networks_free(struct http_networks *n);
/* True when an address (sockaddr) is in the list; NULL holds nothing. */
bool http_networks_hold(const struct http_networks *n, const void *sockaddr);
/* True when an address (sockaddr) is public, or in allow. */
bool http_address_allowed(const void *sockaddr, const struct http_networks *allow);

/* The value of a header in reply->headers, trimmed; {NULL,0} when absent.  Case-insensitive. */
struct span http_header(const struct http_reply *reply, const char *name);

/* How long the server asks to wait, ms: the largest of retry-after-ms, Retry-After (seconds or
 * date) and x-ratelimit-reset (seconds, fractions allowed); -1 when none.  Capped at cap_ms. */
int64_t http_retry_after_ms(const struct http_reply *reply, int64_t wall_now_ms, int64_t cap_ms);

#endif
