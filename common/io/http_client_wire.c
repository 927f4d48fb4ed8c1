/* http_client_wire.c - what curl asks and tells while a request is under way.
 *
 *     on_open      a socket for a resolved address?
 *     on_begin     shall the request be written to this connection, now?
 *     on_read      more of a large body, please
 *     on_header    a line of the answer's head
 *     on_body      a piece of the answer's body
 *
 * On a kept connection that dies before the first byte of the answer, curl
 * sends the request again by itself.  The lock against that is on_begin: curl
 * calls it each time before it writes a request, whatever the reason, with or
 * without a body, and it refuses when bytes of this one were already written.
 * on_open refuses the new connection that would be for nothing, and a body
 * from on_read cannot be rewound, as there is no seek function.  As long as
 * nothing was written, curl may try again on another connection.
 *
 * Addresses are checked twice: on_open sees the resolved address of a new
 * connection, on_begin the one of a kept connection, which may have been opened
 * by a request with other rights.
 *
 * "Written" is CURLINFO_REQUEST_SIZE: bytes that a write to the socket took.
 * No callback says anything to a call that is not RUNNING any more.
 */
#include "common/io/http_client_impl.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/io/loop.h"

enum {
    MAX_HEAD_BYTES = 64 * 1024,       /* response headers */
    MAX_TRUSTED_LENGTH = 1024 * 1024, /* a Content-Length that we make room for at once */
};

bool http_wire_sent(const struct http_call *call)
{
    long size = 0;

    curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &size);
    return call->began && size > call->size_before;
}

/* ---- may this request use this address? ---- */

static const char *address_text(const struct sockaddr *sa, char text[INET6_ADDRSTRLEN])
{
    snprintf(text, INET6_ADDRSTRLEN, "?");
    if (sa->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, text,
                  INET6_ADDRSTRLEN);
    else if (sa->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, text,
                  INET6_ADDRSTRLEN);
    return text;
}

static bool address_ok(struct http_call *call, const struct sockaddr *sa)
{
    char text[INET6_ADDRSTRLEN];
    const char *why = NULL;
    bool known = http_networks_hold(call->allow, sa);

    if (!call->refuse_private)
        return true;
    if (!http_address_allowed(sa, call->allow))
        why = "is private or local, and not in the allowed networks";
    else if (!call->https && !call->plain_http_allowed && !known)
        why = "is not in the allowed networks, and the URL is not https";
    if (!why)
        return true;
    snprintf(call->why, sizeof call->why, "the address %s %s", address_text(sa, text), why);
    call->address_refused = true;
    return false;
}

static bool address_text_ok(struct http_call *call, const char *ip)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (ip && inet_pton(AF_INET, ip, &v4.sin_addr) == 1)
        return address_ok(call, (const struct sockaddr *)&v4);
    if (ip && inet_pton(AF_INET6, ip, &v6.sin6_addr) == 1)
        return address_ok(call, (const struct sockaddr *)&v6);
    return !call->refuse_private;
}

static void note_tried(struct http_call *call, const struct sockaddr *sa)
{
    char text[INET6_ADDRSTRLEN];
    size_t n = strlen(call->tried);

    if (n + INET6_ADDRSTRLEN + 2 < sizeof call->tried) /* else there are enough of them */
        snprintf(call->tried + n, sizeof call->tried - n, "%s%s", n ? ", " : "",
                 address_text(sa, text));
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
    struct http_call *call = arg;

    if (call->state != HTTP_CALL_RUNNING || http_wire_sent(call) || !address_ok(call, &addr->addr))
        return CURL_SOCKET_BAD;
    note_tried(call, &addr->addr);
    return http_multi_open(call->client, purpose, addr);
}

/* ---- the request goes out ---- */

/* Before each writing of a request; the last moment to keep it back. */
static int on_begin(void *arg, char *ip, char *local_ip, int port, int local_port)
{
    struct http_call *call = arg;
    long connects = 0;

    (void)local_ip, (void)port, (void)local_port;
    if (call->state != HTTP_CALL_RUNNING || http_wire_sent(call) || !address_text_ok(call, ip))
        return CURL_PREREQFUNC_ABORT;
    curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &call->size_before);
    curl_easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &connects);
    call->reused = connects == 0;
    call->began = true;
    call->body_off = 0;
    return CURL_PREREQFUNC_OK;
}

static size_t on_read(char *to, size_t size, size_t count, void *arg)
{
    struct http_call *call = arg;
    size_t n = call->body_n - call->body_off;

    if (n > size * count)
        n = size * count;
    if (n)
        memcpy(to, call->body + call->body_off, n);
    call->body_off += n;
    if (call->body_off == call->body_n && http_wire_sent(call)) {
        free(TAKE(call->body)); /* on its way, and not to be sent again */
        call->body_n = call->body_off = 0;
    }
    return n;
}

/* ---- the answer comes in ---- */

/* How long the silence may still last, and what is said when it was too long. */
static int64_t patience_left(struct http_call *call)
{
    int64_t now = clock_mono_ms();
    bool first = call->first_byte_ms && call->answer_n == 0;
    int64_t limit = first ? call->first_byte_ms : call->idle_timeout_ms;

    snprintf(call->why, sizeof call->why, "no byte %sfor %" PRId64 " ms",
             first ? "of the answer " : "", limit);
    return limit + (first ? call->started_ms : call->last_byte_ms) - now;
}

static void on_idle(void *arg)
{
    struct http_call *call = arg;
    int64_t left = patience_left(call);

    call->idle = NULL;
    if (left <= 0) {
        http_call_end(call, http_wire_sent(call) ? HTTP_TIMED_OUT : HTTP_NOT_SENT, NULL);
        return;
    }
    call->why[0] = '\0';
    call->idle = loop_after(call->client->loop, left, on_idle, call);
}

void http_wire_start(struct http_call *call)
{
    if (call->first_byte_ms && !call->idle)
        call->idle = loop_after(call->client->loop, call->first_byte_ms, on_idle, call);
}

static void note_byte(struct http_call *call, bool of_body)
{
    call->answer_began = true;
    if (!call->idle_timeout_ms)
        return;
    call->last_byte_ms = clock_mono_ms();
    if (call->first_byte_ms && of_body && call->answer_n == 0) /* the other limit holds from now */
        loop_cancel(&call->idle);
    if (!call->idle)
        call->idle = loop_after(call->client->loop, call->idle_timeout_ms, on_idle, call);
}

static size_t refuse_size(struct http_call *call, const char *what, size_t max)
{
    call->too_large = true;
    snprintf(call->why, sizeof call->why, "%s over %zu bytes", what, max);
    return 0;
}

/* Called with one line at a time; a status line starts a new block (100, then 200). */
static size_t on_header(char *p, size_t size, size_t count, void *arg)
{
    struct http_call *call = arg;
    size_t n = size * count;

    if (call->state != HTTP_CALL_RUNNING)
        return 0;
    note_byte(call, false);
    if (n >= 5 && memcmp(p, "HTTP/", 5) == 0) {
        buf_clear(&call->head_in);
        call->head_ended = false;
    }
    if (call->head_ended)
        return n; /* a trailer */
    call->head_ended = n <= 2;
    if (!buf_add(&call->head_in, p, n))
        return refuse_size(call, "response headers", MAX_HEAD_BYTES);
    return n;
}

/* The first bytes of a body: where do they go? */
static void choose_way(struct http_call *call)
{
    struct http_reply head = {.outcome = HTTP_ANSWERED};

    http_call_describe(call, &head);
    if (call->on_head && !call->on_head(call->arg, &head))
        call->on_data = NULL;
    else
        call->max_answer_bytes = call->max_stream_bytes;
}

static size_t on_body(char *p, size_t size, size_t count, void *arg)
{
    struct http_call *call = arg;
    size_t n = size * count;
    curl_off_t length = 0;

    if (call->state != HTTP_CALL_RUNNING)
        return 0;
    note_byte(call, true);
    if (call->on_data && call->answer_n == 0)
        choose_way(call);
    if (call->state != HTTP_CALL_RUNNING) /* on_head cancelled it */
        return 0;
    if (n > call->max_answer_bytes - call->answer_n)
        return refuse_size(call, "answer", call->max_answer_bytes);
    if (call->on_data) {
        call->answer_n += n;
        if (call->on_data(call->arg, p, n))
            return n;
        call->data_refused = true;
        return 0;
    }
    if (call->answer_n == 0)
        curl_easy_getinfo(call->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (length > (curl_off_t)n && length <= MAX_TRUSTED_LENGTH &&
        (size_t)length <= call->max_answer_bytes)
        buf_reserve(&call->answer, (size_t)length);
    call->answer_n += n;
    return buf_add(&call->answer, p, n) ? n : 0;
}

void http_wire_attach(struct http_call *call, CURL *e)
{
    buf_init(&call->head_in, MAX_HEAD_BYTES);
    HTTP_SET(e, CURLOPT_PRIVATE, call);
    HTTP_SET(e, CURLOPT_OPENSOCKETFUNCTION, on_open);
    HTTP_SET(e, CURLOPT_OPENSOCKETDATA, call);
    HTTP_SET(e, CURLOPT_CLOSESOCKETFUNCTION, http_multi_close);
    HTTP_SET(e, CURLOPT_CLOSESOCKETDATA, call->client); /* the connection outlives the call */
    HTTP_SET(e, CURLOPT_PREREQFUNCTION, on_begin);
    HTTP_SET(e, CURLOPT_PREREQDATA, call);
    HTTP_SET(e, CURLOPT_READFUNCTION, on_read);
    HTTP_SET(e, CURLOPT_READDATA, call);
    HTTP_SET(e, CURLOPT_HEADERFUNCTION, on_header);
    HTTP_SET(e, CURLOPT_HEADERDATA, call);
    HTTP_SET(e, CURLOPT_WRITEFUNCTION, on_body);
    HTTP_SET(e, CURLOPT_WRITEDATA, call);
    HTTP_SET(e, CURLOPT_ERRORBUFFER, call->curl_why);
}
