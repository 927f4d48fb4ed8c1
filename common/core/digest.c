/* digest.c - see digest.h.
 *
 * EVP_Digest() looks its algorithm up and makes a context at each call, which is most of its
 * cost for a short text; so both are kept.  One thread per process uses them. */
#include "common/core/digest.h"

#include <stdlib.h>

#include <openssl/evp.h>

static EVP_MD *sha256;
static EVP_MD_CTX *context;

static void free_them(void)
{
    EVP_MD_CTX_free(context);
    EVP_MD_free(sha256);
}

static void make_them(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    context = EVP_MD_CTX_new();
    if (!sha256 || !context)
        abort(); /* no memory */
    atexit(free_them);
}

void digest_hex(struct span s, size_t n, char *text)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char md[EVP_MAX_MD_SIZE];

    if (!context)
        make_them();
    if (!EVP_DigestInit_ex(context, sha256, NULL) || !EVP_DigestUpdate(context, s.p, s.n) ||
        !EVP_DigestFinal_ex(context, md, NULL))
        abort(); /* no memory */
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = digits[md[i] >> 4];
        text[2 * i + 1] = digits[md[i] & 15];
    }
    text[2 * n] = '\0';
}

void digest_text(struct span s, char text[DIGEST_TEXT]) { digest_hex(s, 8, text); }
