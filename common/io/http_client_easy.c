/* http_client_easy.c - a request as options of an easy handle, and a result as an outcome.
 *
 * The traps of libcurl that are closed here (sending twice is closed in
 * http_client_wire.c):
 *   - h2 of curl 7.88 loses and doubles requests: HTTP/1.1 is set explicitly.
 *   - A set CAPATH switches curl's cache of CA certificates off: 40 ms of CPU
 *     for each TLS connection.
 *   - Removing a handle whose name is being looked up joins the resolver's
 *     thread, that is, waits for DNS: QUICK_EXIT detaches it instead.
 *     (The resolver is threaded in all Debian builds; http_client_new checks.)
 *   - A connection that ends inside the headers of an answer is a success to
 *     curl: http_outcome_of calls it CUT.
 *   - A body from a read callback costs one more write and one more poll per
 *     request (70 us instead of 45) and 16 KB until it ends, so only large
 *     bodies come from on_read; those are freed once they are out.
 *   - At the end of each call curl looks at all addresses that it remembers for
 *     60 s: with 700 new hosts a second that is four fifths of a core, and memory
 *     for 42,000 names.  NAME_S bounds both; connections that are kept need none.
 *   - Asking the environment for a proxy costs a dozen getenv per request: when
 *     there is none, every request says "no proxy".
 *
 * A new option that is the same for all calls goes into http_easy_new; one
 * that depends on the request goes into set_request or set_body, and must be
 * set for every call, because handles are used again.
 */
#include "common/io/http_client_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/core/clock.h"
#include "common/core/xalloc.h"

enum {
    BUFFER_BYTES = 8 * 1024,         /* curl's receive buffer, one per call in flight (<= 8.6) */
    UPLOAD_BUFFER_BYTES = 16 * 1024, /* the smallest that curl takes */
    ONE_WRITE_BYTES = 60 * 1024,     /* bodies up to this go out in one write with the head */
    CONNECT_TIMEOUT_MS = 10000,
    KEEPALIVE_S = 60,
    NAME_S = 3, /* an address is good for so long: see above */
    FIXED_LINES = 3,
};

/* ---- options ---- */

CURL *http_easy_new(struct http_call *call)
{
    const struct http_client *c = call->client;
    CURL *e = curl_easy_init();

    if (!e)
        return NULL;
    http_wire_attach(call, e);
    HTTP_SET(e, CURLOPT_NOSIGNAL, 1L);
    HTTP_SET(e, CURLOPT_QUICK_EXIT, 1L);
    HTTP_SET(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    HTTP_SET(e, CURLOPT_PROTOCOLS_STR, "http,https");
    HTTP_SET(e, CURLOPT_FOLLOWLOCATION, 0L);
    HTTP_SET(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    HTTP_SET(e, CURLOPT_CAPATH, NULL);
    if (c->ca_file)
        HTTP_SET(e, CURLOPT_CAINFO, c->ca_file);
    HTTP_SET(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    HTTP_SET(e, CURLOPT_BUFFERSIZE, (long)BUFFER_BYTES);
    HTTP_SET(e, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER_BYTES);
    HTTP_SET(e, CURLOPT_DNS_CACHE_TIMEOUT, (long)NAME_S);
    HTTP_SET(e, CURLOPT_MAXAGE_CONN, c->max_idle_s);
    /* Nobody is asked to compress (head_block); some do all the same. */
    HTTP_SET(e, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
    HTTP_SET(e, CURLOPT_TCP_NODELAY, 1L);
    HTTP_SET(e, CURLOPT_TCP_KEEPALIVE, 1L);
    HTTP_SET(e, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_S);
    HTTP_SET(e, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_S);
    return e;
}

/* curl only reads the list, so all of it can live in one block: nodes, then texts. */
static struct curl_slist *head_block(char *borrow_user_agent, const char *const *lines)
{
    static char no_expect[] = "Expect:", identity[] = "Accept-Encoding: identity, *;q=0";
    size_t count = FIXED_LINES, bytes = 0;
    struct curl_slist *nodes;
    char *text;

    for (const char *const *l = lines; l && *l; l++, count++)
        bytes += strlen(*l) + 1;
    nodes = xmalloc(count * sizeof *nodes + bytes);
    text = (char *)(nodes + count);
    nodes[0] = (struct curl_slist){no_expect, &nodes[1]};
    nodes[1] = (struct curl_slist){borrow_user_agent, &nodes[2]};
    nodes[2] = (struct curl_slist){identity, NULL};
    for (size_t i = FIXED_LINES; i < count; i++) {
        size_t n = strlen(lines[i - FIXED_LINES]) + 1;

        memcpy(text, lines[i - FIXED_LINES], n);
        nodes[i] = (struct curl_slist){text, NULL};
        nodes[i - 1].next = &nodes[i];
        text += n;
    }
    return nodes;
}

static bool refuse(struct http_call *call, const char *why)
{
    snprintf(call->why, sizeof call->why, "%s", why);
    return false;
}

/* body.p is const for those who have it copied; with take_body it is the caller's malloc. */
static char *body_of(const struct http_request *req)
{
    union {
        const char *given;
        char *ours;
    } body = {.given = req->body.p};

    if (req->take_body)
        return body.ours;
    return req->body.n ? memcpy(xmalloc(req->body.n), req->body.p, req->body.n) : NULL;
}

static bool is_one_of(const char *method, const char *a, const char *b)
{
    return strcmp(method, a) == 0 || strcmp(method, b) == 0;
}

static void set_body(struct http_call *call, const struct http_request *req)
{
    CURL *e = call->easy;
    bool in_one_write = req->body.n > 0 && req->body.n <= ONE_WRITE_BYTES;
    bool is_post = strcmp(req->method, "POST") == 0;

    call->body = body_of(req);
    call->body_n = req->body.n;
    /* before POST and HTTPGET, which decide; it also forgets the freed body of the call before */
    HTTP_SET(e, CURLOPT_POSTFIELDS, in_one_write ? call->body : NULL);
    if (is_post || req->body.n) {
        HTTP_SET(e, CURLOPT_NOBODY, 0L);
        HTTP_SET(e, CURLOPT_POST, 1L);
        HTTP_SET(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body.n);
        HTTP_SET(e, CURLOPT_CUSTOMREQUEST, is_post ? NULL : req->method);
    } else {
        HTTP_SET(e, CURLOPT_HTTPGET, 1L);
        HTTP_SET(e, CURLOPT_NOBODY, strcmp(req->method, "HEAD") == 0 ? 1L : 0L);
        HTTP_SET(e, CURLOPT_CUSTOMREQUEST,
                 is_one_of(req->method, "GET", "HEAD") ? NULL : req->method);
    }
}

static bool set_request(struct http_call *call, const struct http_request *req)
{
    int64_t connect_ms = req->connect_timeout_ms;

    call->https = strncasecmp(req->url, "https://", 8) == 0;
    if (!call->https && strncasecmp(req->url, "http://", 7) != 0)
        return refuse(call, "the URL is neither https:// nor http://");
    if (!call->https && !req->plain_http_allowed && !req->refuse_private)
        return refuse(call, "the URL must be https://");
    for (const char *const *l = req->headers; l && *l; l++)
        if (strpbrk(*l, "\r\n"))
            return refuse(call, "a header has a line break in it");
    call->head = head_block(call->client->user_agent, req->headers);
    HTTP_SET(call->easy, CURLOPT_CURLU, /* first: since curl 8 it forgets the URL of before */
             req->same_url ? http_urls_get(call->client, req->url) : NULL);
    HTTP_SET(call->easy, CURLOPT_URL, req->url);
    HTTP_SET(call->easy, CURLOPT_HTTPHEADER, call->head);
    HTTP_SET(call->easy, CURLOPT_TIMEOUT_MS, (long)req->timeout_ms);
    HTTP_SET(call->easy, CURLOPT_CONNECTTIMEOUT_MS,
             (long)(connect_ms ? connect_ms : CONNECT_TIMEOUT_MS));
    /* "" is no proxy at all; NULL asks the environment, which costs a dozen getenv per call. */
    HTTP_SET(call->easy, CURLOPT_PROXY,
             req->refuse_private || !call->client->env_proxy ? "" : NULL);
    return true;
}

bool http_easy_prepare(struct http_call *call, const struct http_request *req)
{
    assert(req->timeout_ms > 0 && req->max_answer_bytes > 0 && req->on_done);
    call->plain_http_allowed = req->plain_http_allowed;
    call->refuse_private = req->refuse_private;
    call->allow = req->allow;
    call->idle_timeout_ms = req->idle_timeout_ms;
    call->max_answer_bytes = req->max_answer_bytes;
    call->first_byte_ms = req->first_byte_ms;
    call->max_stream_bytes = req->max_stream_bytes ? req->max_stream_bytes : req->max_answer_bytes;
    call->on_data = req->on_data;
    call->on_head = req->on_head;
    call->on_done = req->on_done;
    call->arg = req->arg;
    call->answer.max_bytes = req->max_answer_bytes;
    call->started_ms = clock_mono_ms();
    set_body(call, req);
    return set_request(call, req);
}

/* ---- the outcome ---- */

/* curl names the host only, which may have several addresses. */
static void say_tried(struct http_call *call, CURLcode code)
{
    const char *words = call->curl_why[0] ? call->curl_why : curl_easy_strerror(code);

    if ((code != CURLE_COULDNT_CONNECT && code != CURLE_OPERATION_TIMEDOUT) || !call->tried[0])
        return;
    if (strstr(words, call->tried))
        refuse(call, words);
    else
        snprintf(call->why, sizeof call->why, "%s; tried %s", words, call->tried);
}

static enum http_outcome outcome_unsent(struct http_call *call, CURLcode code)
{
    if (call->address_refused && (code == CURLE_ABORTED_BY_CALLBACK || !call->tried[0]))
        return HTTP_REFUSED;
    call->unverified = code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE;
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
        return HTTP_REFUSED;
    say_tried(call, code);
    return HTTP_NOT_SENT;
}

/* The words for a code.  curl has none of its own for some, and when it was kept from sending a
 * request again, it tells of that and not of the connection that ended. */
static void say_code(struct http_call *call, CURLcode code)
{
    bool again = code == CURLE_ABORTED_BY_CALLBACK || code == CURLE_COULDNT_CONNECT;

    if (call->why[0])
        return;
    if (again && http_wire_sent(call))
        refuse(call, "the connection ended before the answer");
    else if (!call->curl_why[0])
        refuse(call, curl_easy_strerror(code));
}

enum http_outcome http_outcome_of(struct http_call *call, CURLcode code)
{
    long status = 0;

    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && call->head_ended && status >= 200)
        return HTTP_ANSWERED;
    if (code == CURLE_OK) /* curl calls a connection that ends inside the headers a success */
        refuse(call, "the answer ended inside its headers");
    else
        say_code(call, code);
    if (call->too_large)
        return HTTP_TOO_LARGE;
    if (call->data_refused)
        return HTTP_CANCELLED;
    if (!http_wire_sent(call))
        return outcome_unsent(call, code);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return HTTP_TIMED_OUT;
    if (call->answer_began || code == CURLE_WEIRD_SERVER_REPLY ||
        code == CURLE_UNSUPPORTED_PROTOCOL) /* the last: an answer that is not HTTP */
        return HTTP_CUT;
    return HTTP_SENT_UNKNOWN;
}
