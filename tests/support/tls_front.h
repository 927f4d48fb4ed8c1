/* tls_front.h - a server with TLS for tests: what comes is decrypted and passed to a plain port.
 *
 *     struct tls_front *f = tls_front_start(&certificate, "127.0.0.1", plain_port);
 *     https://127.0.0.1:<tls_front_port(f)>
 */
#ifndef FLOTILLA_TESTS_TLS_FRONT_H
#define FLOTILLA_TESTS_TLS_FRONT_H

#include "tests/support/certificate.h"

struct tls_front;

/* A child process that listens on a free port of 127.0.0.1 and shows certificate->cert. */
struct tls_front *tls_front_start(const struct certificate *certificate, int plain_port);
int tls_front_port(const struct tls_front *f);
void tls_front_stop(struct tls_front *f); /* NULL is fine */

#endif
