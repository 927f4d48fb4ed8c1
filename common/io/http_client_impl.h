/* http_client_impl.h - what the http_client*.c files share; nobody else includes it. */
#ifndef FLOTILLA_HTTP_CLIENT_IMPL_H
#define FLOTILLA_HTTP_CLIENT_IMPL_H

#include <assert.h>
#include <sys/queue.h>

#include <curl/curl.h>
#include <event2/event.h>

#include "common/io/http_client.h"

enum { HTTP_TRIED_BYTES = 160 };

enum http_call_state {
    HTTP_CALL_POOLED,    /* in client->pool, for the next http_send */
    HTTP_CALL_WAITING,   /* queued: goes to curl on the next turn */
    HTTP_CALL_RUNNING,   /* in curl's hands */
    HTTP_CALL_ENDING,    /* queued: its outcome is fixed, on_done comes on the next turn */
    HTTP_CALL_REPORTING, /* inside on_done */
};

struct http_call {
    struct http_client *client;
    CURL *easy; /* kept from call to call with the options that never change */
    enum http_call_state state;
    TAILQ_ENTRY(http_call) link; /* in client->calls or client->pool */
    TAILQ_ENTRY(http_call) turn; /* in client->queue, when WAITING or ENDING */
    bool in_multi;

    /* what was asked */
    char *body;
    size_t body_n, body_off; /* bytes of it that curl took */
    struct curl_slist *head; /* one block: nodes and texts */
    bool https, plain_http_allowed, refuse_private;
    const struct http_networks *allow;
    int64_t idle_timeout_ms, first_byte_ms;
    http_data_cb *on_data;
    http_head_cb *on_head;
    http_cb *on_done;
    void *arg;

    /* what happened; http_outcome_of() makes the outcome of it */
    enum http_outcome outcome; /* when ENDING */
    bool began;                /* a request was about to be written */
    long size_before;          /* CURLINFO_REQUEST_SIZE at that moment */
    bool reused;
    bool answer_began, head_ended;
    bool too_large, data_refused; /* over a cap; on_data said no */
    bool address_refused;
    char tried[HTTP_TRIED_BYTES]; /* the addresses that a connection was opened to */
    bool unverified;
    size_t answer_n, max_answer_bytes, max_stream_bytes;
    int64_t started_ms, last_byte_ms;
    struct loop_timer *idle;
    struct buf answer, head_in;
    char curl_why[CURL_ERROR_SIZE];                    /* curl's words for a failure, */
    char why[CURL_ERROR_SIZE + HTTP_TRIED_BYTES + 16]; /* and ours, unless empty */
};
TAILQ_HEAD(http_calls, http_call);

enum { HTTP_URLS = 32 };
struct http_url {
    char *text;
    CURLU *parsed; /* NULL: it cannot be */
};

struct http_client {
    struct loop *loop;
    CURLM *multi;
    struct event *timer;
    struct http_socket **sockets; /* by descriptor */
    size_t sockets_n;
    struct http_calls calls; /* all that are in flight */
    struct http_calls queue; /* those with something to do on the next turn */
    struct http_calls pool;
    size_t in_flight, pooled, max_connections, cache_size;
    bool queue_deferred, due_deferred;
    bool in_curl;   /* inside a call into curl that may run callbacks */
    bool reporting; /* inside an on_done */
    bool closing;
    bool env_proxy; /* the environment names a proxy */
    struct http_url urls[HTTP_URLS];
    size_t urls_n;
    char *user_agent, *ca_file; /* the first: a header line */
    long max_idle_s;
};

/* http_client.c */
/* Fix the outcome of a call; its on_done comes on the next turn.  why NULL: keep what is there. */
void http_call_end(struct http_call *call, enum http_outcome outcome, const char *why);
void http_call_report(struct http_call *call, enum http_outcome outcome);
void http_call_describe(const struct http_call *call, struct http_reply *reply);

/* http_client_easy.c */
CURL *http_easy_new(struct http_call *call);
/* The options of this request; false: call->why says why it cannot be sent. */
bool http_easy_prepare(struct http_call *call, const struct http_request *req);
enum http_outcome http_outcome_of(struct http_call *call, CURLcode code);

/* All options are known to the oldest libcurl that we build with: a refusal is our mistake. */
static inline void http_must(CURLcode code) { assert(code == CURLE_OK); }
#define HTTP_SET(easy, option, value) http_must(curl_easy_setopt(easy, option, value))

/* http_client_urls.c */
/* Lives as long as the client; NULL: have curl parse the text. */
CURLU *http_urls_get(struct http_client *c, const char *text);
void http_urls_done(struct http_client *c); /* after the last easy handle */

/* http_client_wire.c */
void http_wire_attach(struct http_call *call, CURL *easy);
void http_wire_start(struct http_call *call); /* it is handed to curl */
/* True when bytes of the request were written to a connection. */
bool http_wire_sent(const struct http_call *call);

/* http_client_multi.c: curl's sockets and timer on the loop */
bool http_multi_start(struct http_client *c);
void http_multi_stop(struct http_client *c);
curl_socket_t http_multi_open(void *client, curlsocktype purpose, struct curl_sockaddr *addr);
int http_multi_close(void *client, curl_socket_t fd);

#endif
