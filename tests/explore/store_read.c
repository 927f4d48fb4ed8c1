/* store_read.c - what Redis answered becomes an image, a reply and news.  See
 * store.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/xalloc.h"
#include "tests/explore/store_private.h"
#include "tests/explore/wire.h"

enum { TIME_DIGITS = 11, WORDS_MAX = 16 };

const struct reply *image_next(void)
{
    const struct reply *r = server_reply();

    if (reply_type(r) == REPLY_ERROR) {
        fprintf(stderr, "explore: %.*s\n", (int)reply_span(r).n, reply_span(r).p);
        exit(1);
    }
    return r;
}

static int index_of(struct span text, const char *const *names, int n)
{
    for (int i = 0; i < n; i++)
        if (text.n == strlen(names[i]) && !memcmp(text.p, names[i], text.n))
            return i;
    return -1;
}

/* Times of a header: 0 stays, what is past becomes 1, what is to come LATER_MS.
 */
static void normalise(char *header)
{
    static const int at[] = {26, 59, 70, 81, 92};

    for (size_t i = 0; i < ARRAY_LEN(at); i++) {
        char text[TIME_DIGITS + 1] = "";
        int64_t ms;

        memcpy(text, header + at[i], TIME_DIGITS);
        ms = strtoll(text, NULL, 16);
        if (ms > 0)
            ms = ms > clock_system.wall_ms() ? LATER_MS : 1;
        snprintf(text, sizeof text, "%011" PRIx64, (uint64_t)ms);
        memcpy(header + at[i], text, TIME_DIGITS);
    }
}

uint32_t record_due(uint32_t record)
{
    struct span old = pool_bytes(records, record);
    char bytes[RECORD_HEADER + 1], due[TIME_DIGITS + 1] = "";

    if (!old.n || strtoll(memcpy(due, old.p + 70, TIME_DIGITS), NULL, 16) != LATER_MS)
        return record;
    memcpy(bytes, old.p, old.n);
    memcpy(bytes + 70, "00000000001", TIME_DIGITS);
    return pool_id(records, bytes, old.n);
}

static uint32_t read_record(const struct reply *bytes, const struct reply *ttl)
{
    struct span s = reply_span(bytes);
    char record[RECORD_HEADER + 1];

    if (s.n < RECORD_HEADER)
        return 0;
    memcpy(record, s.p, RECORD_HEADER);
    normalise(record);
    record[RECORD_HEADER] = 't';
    return pool_id(records, record, RECORD_HEADER + (reply_int(ttl) >= 0));
}

static uint8_t bits(const struct reply *ids, size_t step)
{
    uint8_t mask = 0;

    for (size_t i = 0; i < reply_count(ids); i += step) {
        int j = index_of(reply_span(reply_at(ids, i)), job_ids, JOBS);

        if (j >= 0)
            mask |= (uint8_t)(1 << j);
    }
    return mask;
}

/* From the right end: job + 1.  False: it is longer than an image holds. */
static bool read_list(const struct reply *list, const char *const *names, uint8_t *ret, size_t most)
{
    size_t n = reply_count(list);

    for (size_t i = 0; i < n && i < most; i++)
        ret[i] = (uint8_t)(index_of(reply_span(reply_at(list, n - 1 - i)), names, JOBS) + 1);
    return n <= most;
}

static int by_byte(const void *a, const void *b)
{
    return *(const uint8_t *)b - *(const uint8_t *)a;
}

void image_sort(struct image *i) { qsort(i->delayed, DELAYED, 1, by_byte); }

static bool read_delayed(const struct reply *r, struct image *i)
{
    size_t n = reply_count(r) / 2;

    for (size_t k = 0; k < n && k < DELAYED; k++) {
        struct span member = reply_span(reply_at(r, 2 * k));
        struct span score = reply_span(reply_at(r, 2 * k + 1));
        const char *slash = memchr(member.p, '/', member.n);
        int at = AT_THERE;

        if (slash[1] == 'b')
            at |= AT_JOB;
        if ((size_t)(slash - member.p) == strlen(queue_name(queue_ids[1])))
            at |= AT_QUEUE;
        if (strtod(score.p, NULL) > (double)clock_system.wall_ms())
            at |= AT_LATER;
        if (memchr(score.p, '.', score.n))
            at |= AT_FRONT;
        i->delayed[k] = (uint8_t)at;
    }
    image_sort(i);
    return n <= DELAYED;
}

static void read_workers(const struct reply *r, struct image *i)
{
    for (size_t k = 0; k + 1 < reply_count(r); k += 2) {
        int w = index_of(reply_span(reply_at(r, k)), worker_ids, IDS);
        struct span what = reply_span(reply_at(r, k + 1));
        const char *n = what.p ? strstr(what.p, "\"n\":") : NULL;

        if (w >= 0 && n)
            i->beat[w] = (uint8_t)strtol(n + 4, NULL, 10);
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static uint32_t read_late(const struct reply *r)
{
    size_t n = reply_count(r);
    const char **events = xcalloc(n + 1, sizeof *events);
    struct buf b = BUF(1 << 20);
    uint32_t id;

    for (size_t k = 0; k < n; k++)
        events[k] = reply_span(reply_at(r, k)).p;
    qsort(events, n, sizeof *events, by_text);
    for (size_t k = 0; k < n; k++)
        buf_printf(&b, " %s", events[k]);
    id = pool_id(texts, b.p, b.n);
    buf_done(&b);
    free(events);
    return id;
}

static struct span field(const struct reply *entry, size_t n)
{
    return reply_span(reply_at(reply_at(entry, 1), 2 * n + 1));
}

/* A number behind "name": in a document of ours; 0 when it is not there. */
static int64_t number(struct span doc, const char *word)
{
    const char *at = doc.p ? strstr(doc.p, word) : NULL;

    return at ? strtoll(at + strlen(word), NULL, 10) : 0;
}

static int64_t read_costs(const struct reply *costs, struct buf *news)
{
    int64_t sum = 0;

    for (size_t i = 0; i < reply_count(costs); i++) {
        struct span doc = field(reply_at(costs, i), 1);
        const char *id = strstr(doc.p, "\"event_id\":\"") + strlen("\"event_id\":\"");

        sum += number(doc, "\"cost_nanousd\":") + number(doc, "\"estimate_nanousd\":");
        buf_printf(news, " $%.*s", (int)strcspn(id, "\""), id);
    }
    return sum;
}

static void read_results(const struct reply *results, struct buf *news)
{
    for (size_t i = 0; i < reply_count(results); i++) {
        struct span id = field(reply_at(results, i), 0), doc = field(reply_at(results, i), 2);

        buf_printf(news, " =%.*s.%" PRId64, (int)id.n, id.p, number(doc, "\"run\":"));
    }
}

static int64_t read_sums(const struct reply *spend)
{
    int64_t sum = 0;

    for (size_t i = 0; i + 1 < reply_count(spend); i += 2) {
        struct span f = reply_span(reply_at(spend, i));

        if (f.n > 5 && !memcmp(f.p, "type:", 5) &&
            (strstr(f.p, "|cost") || strstr(f.p, "|estimate")))
            sum += strtoll(reply_span(reply_at(spend, i + 1)).p, NULL, 10);
    }
    return sum;
}

/* ---- money ---- */

/* Sorted, each behind a blank.  The words are freed. */
static uint32_t words_id(char **words, size_t n)
{
    struct buf b = BUF(1 << 20);
    uint32_t id;

    qsort(words, n, sizeof *words, by_text);
    for (size_t k = 0; k < n; k++) {
        buf_printf(&b, " %s", words[k]);
        free(words[k]);
    }
    id = pool_id(texts, b.p, b.n);
    buf_done(&b);
    return id;
}

static void read_sum(const struct reply *r, struct image *i)
{
    struct span value = reply_span(reply_at(r, 1));
    char *next = NULL;

    if (!value.n)
        return;
    i->spent = (uint16_t)strtoul(value.p, &next, 10);
    i->reserved = (uint16_t)strtoul(next, NULL, 10);
}

static bool read_holds(const struct reply *r, struct image *i)
{
    char *words[WORDS_MAX];
    size_t n = 0;

    for (size_t k = 0; k + 1 < reply_count(r) && n < WORDS_MAX; k += 2) {
        struct span hold = reply_span(reply_at(r, k)), value = reply_span(reply_at(r, k + 1));

        if (asprintf(&words[n++], "%.*s=%c%.*s", (int)hold.n, hold.p, value.p[0],
                     (int)strcspn(value.p + 2, "|"), value.p + 2) < 0)
            abort();
    }
    i->holds = words_id(words, n);
    return reply_count(r) <= 2 * WORDS_MAX;
}

/* Adds to words. */
static size_t read_notes(const struct reply *r, int w, char *words[WORDS_MAX], size_t n)
{
    for (size_t k = 0; k + 1 < reply_count(r) && n < WORDS_MAX; k += 2) {
        struct span hold = reply_span(reply_at(r, k)), doc = reply_span(reply_at(r, k + 1));

        if (asprintf(&words[n++], "%d/%.*s/%u", w, (int)hold.n, hold.p,
                     pool_id(texts, doc.p, doc.n)) < 0)
            abort();
    }
    return n;
}

static void read_room(const struct reply *r, struct image *i)
{
    char *words[WORDS_MAX];
    size_t n = 0;

    for (size_t k = 0; k < reply_count(r) && n < WORDS_MAX; k++)
        words[n++] = xstrndup(reply_span(reply_at(r, k)).p, reply_span(reply_at(r, k)).n);
    i->room = words_id(words, n);
}

#define WITH_NEXT(r, what)                      \
    do {                                        \
        const struct reply *(r) = image_next(); \
        what;                                   \
        wire_done(r);                           \
    } while (0)

static struct answer read_all(void)
{
    struct answer a = {0};
    struct image i = {0};
    struct buf news = BUF(1 << 20);
    int64_t costs = 0, sums = 0;
    char *words[WORDS_MAX];
    size_t n = 0;
    bool fits = true;

    for (int j = 0; j < JOBS; j++)
        WITH_NEXT(bytes, WITH_NEXT(ttl, i.record[j] = read_record(bytes, ttl)));
    for (int q = 0; q < QUEUES; q++)
        WITH_NEXT(r, fits &= read_list(r, job_ids, i.ready[q], LIST));
    for (int w = 0; w < IDS; w++)
        WITH_NEXT(r, i.active[w] = bits(r, 1));
    WITH_NEXT(r, fits &= read_delayed(r, &i));
    WITH_NEXT(r, read_workers(r, &i));
    WITH_NEXT(r, i.cancels = bits(r, 1));
    WITH_NEXT(r, i.dead = bits(r, 1));
    WITH_NEXT(r, i.lease = (uint8_t)(index_of(reply_span(r), leases + 1, LEASES - 1) + 1));
    WITH_NEXT(r, fits &= read_list(r, (const char *const *)job_docs, i.intake, DOCS));
    WITH_NEXT(r, fits &= read_list(r, (const char *const *)job_docs, i.taken, DOCS));
    WITH_NEXT(r, i.late = read_late(r));
    WITH_NEXT(r, read_results(r, &news));
    WITH_NEXT(r, costs = read_costs(r, &news));
    WITH_NEXT(r, sums = read_sums(r));
    WITH_NEXT(r, read_sum(r, &i));
    WITH_NEXT(r, fits &= read_holds(r, &i));
    for (int w = 0; w < IDS; w++)
        WITH_NEXT(r, n = read_notes(r, w, words, n));
    i.notes = words_id(words, n);
    WITH_NEXT(r, read_room(r, &i));
    a.image = image_id(&i);
    a.news = pool_id(texts, news.p, news.n);
    a.overflow = !fits;
    a.unbalanced = costs != sums;
    buf_done(&news);
    return a;
}

/* ---- the reply of the command ---- */

static void write_reply(struct buf *b, const struct reply *r)
{
    struct span s = reply_span(r);
    int64_t v;

    switch (reply_type(r)) {
    case REPLY_NIL: buf_puts(b, "$-1\r\n"); break;
    case REPLY_INT:
        v = reply_int(r);
        buf_printf(b, ":%" PRId64 "\r\n", v > INT64_C(1000000000000) ? wall_ms : v);
        break;
    case REPLY_STATUS: buf_printf(b, "+%.*s\r\n", (int)s.n, s.p); break;
    case REPLY_ERROR: buf_printf(b, "-%.*s\r\n", (int)s.n, s.p); break;
    case REPLY_STRING:
        buf_printf(b, "$%zu\r\n", s.n);
        buf_add_span(b, s);
        if (s.n >= RECORD_HEADER && !memcmp(s.p, "01", 2))
            normalise(b->p + b->n - s.n);
        buf_puts(b, "\r\n");
        break;
    case REPLY_ARRAY:
        buf_printf(b, "*%zu\r\n", reply_count(r));
        for (size_t i = 0; i < reply_count(r); i++)
            write_reply(b, reply_at(r, i));
        break;
    }
}

struct answer image_read(void)
{
    struct buf said = BUF(1 << 20);
    const struct reply *reply = server_reply(); /* it may be an error */
    struct answer a;
    uint32_t id;

    write_reply(&said, reply);
    wire_done(reply);
    id = pool_id(texts, said.p, said.n);
    buf_done(&said);
    a = read_all();
    a.reply = id;
    return a;
}
