/* ca_file.c - see ca_file.h: OpenSSL loads the file into a store that is dropped again. */
#include "common/io/ca_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

bool ca_file_check(const char *path, size_t *count, struct err *err)
{
    X509_STORE *store = X509_STORE_new();
    X509_LOOKUP *lookup = store ? X509_STORE_add_lookup(store, X509_LOOKUP_file()) : NULL;
    int n = lookup ? X509_load_cert_crl_file(lookup, path, X509_FILETYPE_PEM) : 0;

    ERR_clear_error();
    X509_STORE_free(store);
    if (n > 0) {
        *count = (size_t)n;
        return true;
    }
    if (access(path, R_OK))
        return err_set(err, ERR_CONFIG, "%s: %s", path, strerror(errno));
    return err_set(err, ERR_CONFIG, "%s has no certificate in PEM format", path);
}
