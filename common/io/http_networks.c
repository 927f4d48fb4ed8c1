/* http_networks.c - which addresses a request may connect to.
 *
 * Whoever names a webhook's URL must not reach what only our own hosts can
 * reach: the rule is "public, or in a list that the operator wrote".  Names
 * prove nothing, so the rule is about resolved addresses.
 *
 * Every address is first brought to one form: the IPv4 address inside
 * ::ffff:a.b.c.d (mapped), 64:ff9b::a.b.c.d (NAT64) and 2002:aabb:ccdd:: (6to4)
 * is what counts.  IPv4 is public unless a row of `special` holds it; IPv6 is
 * public only inside 2000::/3, less the rows.  A new special network of IANA
 * is one new row.
 */
#include "common/io/http_client.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/core/parse.h"
#include "common/core/xalloc.h"

struct address {
    bool v6;
    uint8_t bytes[16]; /* 4 of them for IPv4 */
};

struct network {
    struct address base;
    unsigned bits;
};

struct http_networks {
    size_t n;
    struct network *items;
};

#define V4(a, b, c, d, bits)        \
    {                               \
        {false, {a, b, c, d}}, bits \
    }
#define V6(bits, ...)               \
    {                               \
        {true, {__VA_ARGS__}}, bits \
    }
/* clang-format off */
static const struct network special[] = {
    V4(0, 0, 0, 0, 8),        /* this host */
    V4(10, 0, 0, 0, 8),       /* private */
    V4(100, 64, 0, 0, 10),    /* shared by carriers (CGNAT) */
    V4(127, 0, 0, 0, 8),      /* loopback */
    V4(168, 63, 129, 16, 32), /* Azure's host agent, at a public address */
    V4(169, 254, 0, 0, 16),   /* link-local, metadata of clouds */
    V4(172, 16, 0, 0, 12),    /* private */
    V4(192, 0, 0, 0, 24),     /* protocol assignments */
    V4(192, 0, 2, 0, 24),     /* documentation */
    V4(192, 88, 99, 0, 24),   /* 6to4 relays */
    V4(192, 168, 0, 0, 16),   /* private */
    V4(198, 18, 0, 0, 15),    /* benchmarks */
    V4(198, 51, 100, 0, 24),  /* documentation */
    V4(203, 0, 113, 0, 24),   /* documentation */
    V4(224, 0, 0, 0, 3),      /* multicast, reserved, broadcast */
    V6(23, 0x20, 0x01),             /* 2001::/23: protocol assignments, Teredo, ORCHID */
    V6(32, 0x20, 0x01, 0x0d, 0xb8), /* documentation */
    V6(20, 0x3f, 0xff),             /* documentation */
};
static const struct network unicast = V6(3, 0x20);
static const struct network mapped  = V6(96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);
static const struct network nat64   = V6(96, 0x00, 0x64, 0xff, 0x9b);
static const struct network six2four = V6(16, 0x20, 0x02);
/* clang-format on */

static bool network_holds(const struct network *net, const struct address *a)
{
    unsigned whole = net->bits / 8, rest = net->bits % 8;

    if (a->v6 != net->base.v6 || memcmp(a->bytes, net->base.bytes, whole) != 0)
        return false;
    return rest == 0 || ((a->bytes[whole] ^ net->base.bytes[whole]) >> (8 - rest)) == 0;
}

static struct address v4_inside(const struct address *a, size_t at)
{
    struct address v4 = {.v6 = false};

    memcpy(v4.bytes, a->bytes + at, 4);
    return v4;
}

static struct address normal(const struct address *a)
{
    if (network_holds(&mapped, a) || network_holds(&nat64, a))
        return v4_inside(a, 12);
    if (network_holds(&six2four, a))
        return v4_inside(a, 2);
    return *a;
}

static bool address_of(const void *sockaddr, struct address *ret)
{
    sa_family_t family;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    memcpy(&family, (const char *)sockaddr + offsetof(struct sockaddr, sa_family), sizeof family);
    *ret = (struct address){.v6 = family == AF_INET6};
    if (family == AF_INET) {
        memcpy(&v4, sockaddr, sizeof v4);
        memcpy(ret->bytes, &v4.sin_addr, 4);
    } else if (family == AF_INET6) {
        memcpy(&v6, sockaddr, sizeof v6);
        memcpy(ret->bytes, &v6.sin6_addr, 16);
    } else {
        return false;
    }
    *ret = normal(ret);
    return true;
}

static bool is_public(const struct address *a)
{
    if (a->v6 && !network_holds(&unicast, a))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(special); i++)
        if (network_holds(&special[i], a))
            return false;
    return true;
}

static bool list_holds(const struct http_networks *n, const struct address *a)
{
    for (size_t i = 0; n && i < n->n; i++)
        if (network_holds(&n->items[i], a))
            return true;
    return false;
}

bool http_networks_hold(const struct http_networks *n, const void *sockaddr)
{
    struct address a;

    return address_of(sockaddr, &a) && list_holds(n, &a);
}

bool http_address_allowed(const void *sockaddr, const struct http_networks *allow)
{
    struct address a;

    return address_of(sockaddr, &a) && (is_public(&a) || list_holds(allow, &a));
}

/* ---- the list ---- */

/* "10.0.0.0/8", "fd00::/8"; without "/bits" one address.  Bits behind the prefix do not count. */
static bool item_parse(const char *p, size_t n, struct network *ret)
{
    char text[INET6_ADDRSTRLEN];
    const char *slash = memchr(p, '/', n);
    size_t host_n = slash ? (size_t)(slash - p) : n;
    int64_t bits, max_bits;

    if (host_n >= sizeof text)
        return false;
    memcpy(text, p, host_n);
    text[host_n] = 0;
    if (strlen(text) != host_n)
        return false;
    *ret = (struct network){.base = {.v6 = memchr(p, ':', host_n) != NULL}};
    max_bits = bits = ret->base.v6 ? 128 : 32;
    if (inet_pton(ret->base.v6 ? AF_INET6 : AF_INET, text, ret->base.bytes) != 1)
        return false;
    if (slash && !parse_int64(slash + 1, n - host_n - 1, 0, max_bits, &bits))
        return false;
    ret->bits = (unsigned)bits;
    if (network_holds(&mapped, &ret->base) && bits >= 96) { /* as addresses are compared */
        ret->base = v4_inside(&ret->base, 12);
        ret->bits -= 96;
    }
    return true;
}

struct http_networks *http_networks_parse(const char *text, const char **bad)
{
    struct http_networks *list = xcalloc(1, sizeof *list);

    for (const char *p = text;;) {
        size_t n;

        p += strspn(p, " \t,");
        n = strcspn(p, " \t,");
        if (n == 0)
            return list;
        list->items = xrealloc(list->items, (list->n + 1) * sizeof *list->items);
        if (!item_parse(p, n, &list->items[list->n])) {
            *bad = p;
            http_networks_free(list);
            return NULL;
        }
        list->n++;
        p += n;
    }
}

void http_networks_free(struct http_networks *n)
{
    if (!n)
        return;
    free(n->items);
    free(n);
}
