/* signature.c - see signature.h.  OpenSSL's base64 counts the padding as bytes, so as many are
 * taken off again as there are '=' at the end. */
#include "worker/webhook/signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

enum { KEY_MAX = 256 };

/* The bytes behind "whsec_"; 0 when it is none. */
static size_t secret_key(const char *secret, unsigned char key[KEY_MAX])
{
    static const char prefix[] = "whsec_";
    size_t n;
    int out;

    if (strncmp(secret, prefix, sizeof prefix - 1) != 0)
        return 0;
    secret += sizeof prefix - 1;
    n = strlen(secret);
    if (n == 0 || n % 4 != 0 || n / 4 * 3 > KEY_MAX)
        return 0;
    out = EVP_DecodeBlock(key, (const unsigned char *)secret, (int)n);
    if (out < 0)
        return 0;
    for (size_t i = n; i > 0 && secret[i - 1] == '='; i--)
        out--;
    return (size_t)out;
}

bool signature_add(struct buf *out, const char *secret, const char *id, int64_t timestamp_s,
                   struct span body)
{
    unsigned char key[KEY_MAX], mac[EVP_MAX_MD_SIZE], text[2 * EVP_MAX_MD_SIZE];
    size_t key_n = secret_key(secret, key);
    struct buf message = BUF(body.n + 512);
    unsigned int mac_n = 0;

    if (key_n == 0)
        return false;
    buf_printf(&message, "%s.%lld.", id, (long long)timestamp_s);
    buf_add_span(&message, body);
    HMAC(EVP_sha256(), key, (int)key_n, (const unsigned char *)message.p, message.n, mac, &mac_n);
    buf_done(&message);
    EVP_EncodeBlock(text, mac, (int)mac_n);
    if (out->n > 0)
        buf_putc(out, ' ');
    buf_printf(out, "v1,%s", (const char *)text);
    return true;
}
