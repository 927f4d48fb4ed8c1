/* redis_tls.c - TLS for the connection to Redis, always verified.
 *
 * The server must show a certificate that chains to ca_file (or to the
 * system's authorities) and that names the host of the URL; a host that is an
 * address must be among the certificate's addresses.  There is no switch to
 * turn this off: with a private authority, give its file.
 *
 * The context is made once per connection object, because reading the system's
 * authorities takes milliseconds; connections share it. */
#include "common/io/redis_private.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/core/file.h"

static const char *openssl_text(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return text ? text : "no reason given";
}

bool tls_context(const char *ca_file, struct ssl_ctx_st **ret, struct err *err)
{
    SSL_CTX *context;

    if (ca_file && !file_check(ca_file, ERR_CONFIG, err))
        return false;
    context = SSL_CTX_new(TLS_client_method());
    if (!context)
        return err_set(err, ERR_INTERNAL, "TLS: %s", openssl_text());
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    if (ca_file ? SSL_CTX_load_verify_file(context, ca_file) != 1
                : SSL_CTX_set_default_verify_paths(context) != 1) {
        SSL_CTX_free(context);
        return err_set(err, ERR_CONFIG, "cannot read certificate authorities from %s: %s",
                       ca_file ? ca_file : "the system", openssl_text());
    }
    *ret = context;
    return true;
}

void tls_context_free(struct ssl_ctx_st *context) { SSL_CTX_free(context); }

static void expect_host(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    struct in6_addr address;

    if (inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1) {
        if (X509_VERIFY_PARAM_set1_ip_asc(param, host) != 1)
            abort(); /* only without memory */
        return;
    }
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (X509_VERIFY_PARAM_set1_host(param, host, 0) != 1 ||
        SSL_set_tlsext_host_name(ssl, host) != 1)
        abort(); /* only without memory: redis_url bounds the length */
}

struct bufferevent *tls_start(struct loop *l, struct ssl_ctx_st *context, int fd, const char *host)
{
    SSL *ssl = SSL_new(context);
    struct bufferevent *bev;

    if (!ssl)
        abort();
    expect_host(ssl, host);
    bev = bufferevent_openssl_socket_new(loop_base(l), fd, ssl, BUFFEREVENT_SSL_CONNECTING,
                                         BEV_OPT_CLOSE_ON_FREE);
    if (!bev)
        abort();
    bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
    return bev;
}

const char *tls_why(struct bufferevent *bev)
{
    SSL *ssl = bufferevent_openssl_get_ssl(bev);
    long verdict = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
    unsigned long code = bufferevent_get_openssl_error(bev);
    const char *text = code ? ERR_reason_error_string(code) : NULL;

    if (verdict != X509_V_OK)
        return X509_verify_cert_error_string(verdict);
    return text;
}
