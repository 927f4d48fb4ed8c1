/* pool.c - see pool.h: an open hash table of numbers beside an array of texts.
 */
#include "tests/explore/pool.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"

struct text {
    char *p;
    uint32_t n;
    uint64_t hash;
};

struct pool {
    struct text *texts;
    uint32_t count, room;
    uint32_t *slots; /* a number, or 0: free; the empty text is not in it */
    uint32_t mask;
};

uint64_t hash_of(const void *bytes, size_t n)
{
    const char *p = bytes;
    uint64_t h = 0x9e3779b97f4a7c15u ^ n, w;

    for (; n >= sizeof w; n -= sizeof w, p += sizeof w) {
        memcpy(&w, p, sizeof w);
        h = (h ^ w) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    w = 0;
    memcpy(&w, p, n);
    h = (h ^ w) * 0xc4ceb9fe1a85ec53u;
    h ^= h >> 29;
    h *= 0x94d049bb133111ebu;
    return h ^ h >> 32;
}

struct pool *pool_new(void)
{
    struct pool *p = xcalloc(1, sizeof *p);

    p->room = 64;
    p->texts = xcalloc(p->room, sizeof *p->texts);
    p->texts[0].p = xstrdup("");
    p->count = 1;
    p->mask = 127;
    p->slots = xcalloc(p->mask + 1, sizeof *p->slots);
    return p;
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i < p->count; i++)
        free(p->texts[i].p);
    free(p->texts);
    free(p->slots);
    free(p);
}

static void put(struct pool *p, uint32_t id)
{
    uint32_t at = (uint32_t)p->texts[id].hash & p->mask;

    while (p->slots[at])
        at = (at + 1) & p->mask;
    p->slots[at] = id;
}

static void grow(struct pool *p)
{
    if (p->count == p->room) {
        p->room *= 2;
        p->texts = xrealloc(p->texts, p->room * sizeof *p->texts);
    }
    if (p->count < p->mask / 2)
        return;
    p->mask = 2 * p->mask + 1;
    free(p->slots);
    p->slots = xcalloc((size_t)p->mask + 1, sizeof *p->slots);
    for (uint32_t id = 1; id < p->count; id++)
        put(p, id);
}

uint32_t pool_id(struct pool *p, const void *bytes, size_t n)
{
    uint64_t hash = hash_of(bytes, n);
    struct text *t;

    if (n == 0)
        return 0;
    for (uint32_t at = (uint32_t)hash & p->mask; p->slots[at]; at = (at + 1) & p->mask) {
        t = &p->texts[p->slots[at]];
        if (t->hash == hash && t->n == n && !memcmp(t->p, bytes, n))
            return p->slots[at];
    }
    grow(p);
    t = &p->texts[p->count];
    *t = (struct text){xmalloc(n + 1), (uint32_t)n, hash};
    memcpy(t->p, bytes, n);
    t->p[n] = '\0';
    put(p, p->count);
    return p->count++;
}

uint32_t pool_text(struct pool *p, const char *text) { return pool_id(p, text, strlen(text)); }

struct span pool_bytes(const struct pool *p, uint32_t id)
{
    return (struct span){p->texts[id].p, p->texts[id].n};
}

uint32_t pool_count(const struct pool *p) { return p->count; }
