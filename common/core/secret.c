/* secret.c - see secret.h.
 *
 *     text      "bad key: sk-1234567890ab..."      cut by who wrote it
 *     secret              sk-1234567890abcdef
 *     hidden    "bad key: ***..."
 *
 * The text is searched for whole secrets first, then for the first and the last
 * bytes of long ones; from there the match grows as far as both agree. */
#include "common/core/secret.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"

static struct {
    char *text;
    size_t n;
} secrets[SECRETS_MAX];
static size_t next; /* the row that the next one gets */

/* ---- the table ---- */

static bool is_known(const char *p, size_t n)
{
    for (size_t i = 0; i < SECRETS_MAX; i++)
        if (secrets[i].n == n && memcmp(secrets[i].text, p, n) == 0)
            return true;
    return false;
}

static void secret_put(const char *p, size_t n)
{
    if (n < SECRET_MIN || is_known(p, n))
        return;
    free(secrets[next].text);
    secrets[next].text = xstrndup(p, n);
    secrets[next].n = n;
    next = (next + 1) % SECRETS_MAX;
}

void secret_add(const char *text)
{
    if (text)
        secret_put(text, strlen(text));
}

/* ---- URLs ---- */

static int hex(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* As it is written, and percent-decoded. */
static void add_encoded(const char *p, size_t n)
{
    char *plain = xmalloc(n + 1);
    size_t m = 0;

    for (size_t i = 0; i < n; i++) {
        bool coded = p[i] == '%' && i + 2 < n && hex(p[i + 1]) >= 0 && hex(p[i + 2]) >= 0;

        plain[m++] = coded ? (char)(hex(p[i + 1]) * 16 + hex(p[i + 2])) : p[i];
        i += coded ? 2 : 0;
    }
    secret_put(p, n);
    secret_put(plain, m);
    free(plain);
}

void secret_add_url(const char *url, bool path)
{
    const char *scheme = strstr(url, "://"), *p = scheme ? scheme + 3 : url;
    const char *at = strrchr(p, '@'), *colon = strchr(p, ':');

    if (*p == '/') /* of a socket */
        return;
    if (at && colon && colon < at)
        add_encoded(colon + 1, (size_t)(at - colon - 1));
    else if (at)
        add_encoded(p, (size_t)(at - p));
    p = at ? at + 1 : p;
    for (p += strcspn(p, "/?#"); path && *p;) {
        size_t n = strcspn(++p, "/?&=#");

        if (n >= SECRET_LONG)
            add_encoded(p, n);
        p += n;
    }
}

/* ---- texts ---- */

static bool is_at(const char *p, const char *end, char c) { return p < end && *p == c; }

/* The match that has the first bytes of the secret at `at`: how long it is. */
static size_t grow_right(const char *at, const char *end, const char *secret, size_t n)
{
    size_t len = 0;

    while (len < n && is_at(at + len, end, secret[len]))
        len++;
    return len;
}

/* The match that has the last bytes of the secret before `behind`: how long it is. */
static size_t grow_left(const char *from, const char *behind, const char *secret, size_t n)
{
    size_t len = 0;

    while (len < n && behind - len > from && behind[-1 - (ptrdiff_t)len] == secret[n - 1 - len])
        len++;
    return len;
}

/* Put the mark in place of p[at..at+len); the new length of all. */
static size_t mark(char *p, size_t n, size_t at, size_t len)
{
    const size_t m = sizeof SECRET_MARK - 1;

    memcpy(p + at, SECRET_MARK, m);
    memmove(p + at + m, p + at + len, n - at - len);
    return n - len + m;
}

static size_t hide_one(char *p, size_t n, const char *secret, size_t secret_n, size_t part)
{
    size_t at = 0;
    char *found;

    while (at < n && (found = memmem(p + at, n - at, secret, part))) {
        at = (size_t)(found - p);
        n = mark(p, n, at, grow_right(found, p + n, secret, secret_n));
    }
    for (at = 0; at < n && (found = memmem(p + at, n - at, secret + secret_n - part, part));) {
        char *behind = found + part;
        size_t len = grow_left(p, behind, secret, secret_n);

        at = (size_t)(behind - p) - len;
        n = mark(p, n, at, len);
    }
    return n;
}

size_t secret_hide(char *p, size_t n)
{
    for (size_t i = 0; i < SECRETS_MAX && secrets[i].n; i++)
        n = hide_one(p, n, secrets[i].text, secrets[i].n, secrets[i].n);
    for (size_t i = 0; i < SECRETS_MAX && secrets[i].n; i++) /* which others may begin with, too */
        if (secrets[i].n >= SECRET_LONG)
            n = hide_one(p, n, secrets[i].text, secrets[i].n, SECRET_PART);
    return n;
}

void secret_hide_text(char *text) { text[secret_hide(text, strlen(text))] = '\0'; }
