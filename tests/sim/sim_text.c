/* sim_text.c - made-up texts that are the same for the same request.
 *
 * The hash of the prompt chooses words from a list, so that equal requests get
 * equal answers, different ones nearly always different answers, and the
 * answers look like text to whoever counts tokens or splits words.
 */
#include "tests/sim/sim_text.h"

#include <string.h>

uint64_t sim_text_hash(const char *p, size_t n, uint64_t seed)
{
    uint64_t h = seed ^ 0xcbf29ce484222325u, w;

    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&w, p, 8);
        h = (h ^ w) * 0x9fb21c651e98df25u;
        h ^= h >> 32;
    }
    for (w = 0; n; n--)
        w = w << 8 | (unsigned char)p[n - 1];
    h = (h ^ w) * 0x9fb21c651e98df25u;
    return h ^ h >> 29;
}

void sim_text_make(struct buf *out, uint64_t hash, size_t bytes)
{
    static const char *const words[] = {
        "the",   "ship",  "sails", "north", "with",  "a",     "calm",  "crew",
        "under", "pale",  "stars", "and",   "seven", "small", "boats", "follow",
        "its",   "light", "until", "dawn",  "when",  "gulls", "rise",  "over",
        "quiet", "water", "to",    "greet", "every", "new",   "shore", "again"};
    size_t start = out->n, want = bytes ? bytes : 20 + (size_t)(hash >> 8) % 40;

    buf_printf(out, "Answer %05x:", (unsigned)(hash >> 44));
    while (out->n - start < want && !buf_failed(out)) {
        buf_putc(out, ' ');
        buf_puts(out, words[hash >> 59]);
        hash = hash * 6364136223846793005u + 1442695040888963407u;
    }
    if (bytes && out->n - start > bytes) {
        out->n = start + bytes;
        out->p[out->n] = '\0';
    }
}

size_t sim_text_cut(const char *p, size_t n)
{
    while (n && ((unsigned char)p[n] & 0xc0) == 0x80)
        n--;
    return n;
}

size_t sim_text_piece(const char *p, size_t n)
{
    size_t i = 0;

    while (i < n && (p[i] == ' ' || p[i] == '\n'))
        i++;
    while (i < n && p[i] != ' ' && p[i] != '\n' && i < 32)
        i++;
    while (i < n && ((unsigned char)p[i] & 0xc0) == 0x80)
        i++;
    return i;
}
