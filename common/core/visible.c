/* visible.c - see visible.h.
 *
 * A stream gets its bytes in pieces that may end inside a character, so the
 * beginning of one is kept for the next piece (stream_write). */
#include "common/core/visible.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/core/utf8.h"

enum { CHARACTER_MAX = 4, STREAMS = 2 };

/* In order. */
static const struct {
    uint32_t first, last;
} hidden[] = {
    {0x00, 0x1f},       /* C0 */
    {0x7f, 0x9f},       /* DEL, C1 */
    {0xad, 0xad},       /* soft hyphen */
    {0x61c, 0x61c},     /* Arabic letter mark */
    {0x180e, 0x180e},   /* Mongolian vowel separator */
    {0x200b, 0x200f},   /* no width; marks of direction */
    {0x2028, 0x202e},   /* separators of lines and paragraphs; embeddings, overrides */
    {0x2060, 0x206f},   /* no width; isolates */
    {0xfeff, 0xfeff},   /* byte order mark */
    {0xfff9, 0xfffb},   /* annotations */
    {0xe0000, 0xe007f}, /* tags */
};

static uint32_t code_point(const char *p, size_t n)
{
    static const unsigned char firsts[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = (unsigned char)p[0] & firsts[n];

    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)p[i] & 0x3f);
    return c;
}

static bool is_hidden(uint32_t c)
{
    for (size_t i = 0; i < ARRAY_LEN(hidden) && c >= hidden[i].first; i++)
        if (c <= hidden[i].last)
            return true;
    return false;
}

static void write_escape(uint32_t c, char text[VISIBLE_MAX])
{
    static const char shorts[32] = {['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};

    if (c < sizeof shorts && shorts[c])
        snprintf(text, VISIBLE_MAX, "\\%c", shorts[c]);
    else if (c < 0x10000)
        snprintf(text, VISIBLE_MAX, "\\u%04x", (unsigned)c);
    else
        snprintf(text, VISIBLE_MAX, "\\u%04x\\u%04x", 0xd800 + (unsigned)((c - 0x10000) >> 10),
                 0xdc00 + (unsigned)((c - 0x10000) & 0x3ff));
}

size_t visible_char(const char *p, const char *end, char text[VISIBLE_MAX])
{
    size_t n = utf8_len(p, end);
    uint32_t c = n ? code_point(p, n) : 0;

    if (n == 0) {
        snprintf(text, VISIBLE_MAX, "%s", UTF8_REPLACEMENT);
        return 1;
    }
    if (is_hidden(c)) {
        write_escape(c, text);
    } else {
        memcpy(text, p, n);
        text[n] = '\0';
    }
    return n;
}

void visible_add(struct buf *b, const char *p, size_t n)
{
    const char *end = p + n;
    char text[VISIBLE_MAX];

    while (n && p < end) {
        p += visible_char(p, end, text);
        buf_puts(b, text);
    }
}

/* ---- streams ---- */

struct stream {
    int fd;
    char stay[8];
    char begun[CHARACTER_MAX]; /* of a character whose rest is to come */
    size_t begun_n;
};

static bool write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, p, n);

        if (done < 0 && errno != EINTR)
            return false;
        if (done > 0) {
            p += done;
            n -= (size_t)done;
        }
    }
    return true;
}

/* Is p..end the beginning of a character that may be whole with more bytes? */
static bool is_cut(const char *p, const char *end)
{
    unsigned char first = (unsigned char)*p;
    size_t need = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;

    if (first < 0xc2 || first > 0xf4 || (size_t)(end - p) >= need)
        return false;
    for (const char *q = p + 1; q < end; q++)
        if (((unsigned char)*q & 0xc0) != 0x80)
            return false;
    return true;
}

/* Behind the printable ASCII characters at p, which most texts consist of. */
static const char *skip_plain(const char *p, const char *end)
{
    while (p < end && *p >= ' ' && *p < 0x7f)
        p++;
    return p;
}

static ssize_t stream_write(void *cookie, const char *p, size_t n)
{
    struct stream *s = cookie;
    struct buf in = BUF(n + CHARACTER_MAX), out = BUF((n + CHARACTER_MAX) * VISIBLE_MAX);
    const char *at, *end;
    char text[VISIBLE_MAX];
    bool ok;

    buf_add(&in, s->begun, s->begun_n);
    buf_add(&in, p, n);
    at = in.p;
    end = in.p + in.n;
    s->begun_n = 0;
    while (at < end && !is_cut(at, end)) {
        const char *behind = skip_plain(at, end);

        if (behind > at) {
            buf_add(&out, at, (size_t)(behind - at));
            at = behind;
        } else if (*at && strchr(s->stay, *at)) {
            buf_putc(&out, *at++);
        } else {
            at += visible_char(at, end, text);
            buf_puts(&out, text);
        }
    }
    s->begun_n = (size_t)(end - at);
    memcpy(s->begun, at, s->begun_n);
    ok = write_all(s->fd, out.p, out.n);
    buf_done(&in);
    buf_done(&out);
    return ok ? (ssize_t)n : 0;
}

FILE *visible_stream(int fd, const char *also, bool buffered)
{
    static struct stream streams[STREAMS];
    static size_t count;
    struct stream *s = &streams[count++ % STREAMS];
    FILE *f;

    s->fd = fd;
    snprintf(s->stay, sizeof s->stay, "\n\t%s", also);
    f = fopencookie(s, "w", (cookie_io_functions_t){.write = stream_write});
    if (!f)
        abort();
    setvbuf(f, NULL, !buffered ? _IONBF : isatty(fd) == 1 ? _IOLBF : _IOFBF, BUFSIZ);
    return f;
}
