/* certificate.c - see certificate.h: the openssl command, run twice. */
#include "tests/support/certificate.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void openssl(const char *const *args)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        union {
            const char *const *in;
            char *const *out;
        } argv = {.in = args};

        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        execvp("openssl", argv.out);
        _exit(127);
    }
    ck_assert(waitpid(pid, &status, 0) == pid);
    ck_assert_msg(status == 0, "openssl %s failed", args[1]);
}

#define NEW_KEY \
    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"

void certificate_make(struct certificate *ret, const char *dir, const char *names)
{
    char san[128];

    snprintf(ret->ca, sizeof ret->ca, "%s/ca.crt", dir);
    snprintf(ret->ca_key, sizeof ret->ca_key, "%s/ca.key", dir);
    snprintf(ret->cert, sizeof ret->cert, "%s/server.crt", dir);
    snprintf(ret->key, sizeof ret->key, "%s/server.key", dir);
    snprintf(san, sizeof san, "subjectAltName=%s", names);
    openssl((const char *const[]){"openssl", NEW_KEY, "-keyout", ret->ca_key, "-out", ret->ca,
                                  "-subj", "/CN=a test authority", "-days", "2", NULL});
    openssl((const char *const[]){"openssl", NEW_KEY, "-CA", ret->ca, "-CAkey", ret->ca_key,
                                  "-keyout", ret->key, "-out", ret->cert, "-subj", "/CN=server",
                                  "-days", "2", "-addext", "basicConstraints=critical,CA:FALSE",
                                  "-addext", san, NULL});
}
