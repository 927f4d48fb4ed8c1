/* certificate.h - an authority and a server's certificate, for tests of TLS. */
#ifndef FLOTILLA_TESTS_CERTIFICATE_H
#define FLOTILLA_TESTS_CERTIFICATE_H

struct certificate {
    char ca[128], ca_key[128], cert[128], key[128]; /* files: PEM */
};

/* Make them in that directory, which stays the caller's.  names: whom the certificate names,
 * "DNS:localhost", "IP:127.0.0.1".  Fails the test when it cannot. */
void certificate_make(struct certificate *ret, const char *dir, const char *names);

#endif
