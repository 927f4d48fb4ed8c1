/* store_image.c - an image is written to Redis, a command runs, an image is read: one write and
 * one row of replies.  See store.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/xalloc.h"
#include "common/io/redis_private.h"
#include "tests/explore/store_private.h"
#include "tests/explore/wire.h"

enum { TIMES = 4, FIRST_TIME = 26, TIME_DIGITS = 11, DOC_BYTES_AT = 106, STATE_AT = 2 };

/* ---- commands ---- */

static struct buf out;
static size_t sent; /* commands whose replies nobody has read */

static void add(struct redis_args *a)
{
    struct packet *p = redis_args_close(a, NULL, 0);

    buf_add(&out, p->p, p->n);
    packet_drop(&p);
    sent++;
}

static void say(const char *word, ...) __attribute__((sentinel));
static void say(const char *word, ...)
{
    struct redis_args a;
    va_list words;

    redis_args_init(&a);
    redis_arg_str(&a, word);
    va_start(words, word);
    while ((word = va_arg(words, const char *)))
        redis_arg_str(&a, word);
    va_end(words);
    add(&a);
}

static void name(char text[64], const char *prefix, const char *id)
{
    snprintf(text, 64, "%s%s", prefix, id);
}

/* ---- writing ---- */

static bool has_doc(const char *header) { return memcmp(header + DOC_BYTES_AT, "0000000", 7) != 0; }

static bool has_ended(const char *header) { return strchr("cpfxej", header[STATE_AT]) != NULL; }

static void write_record(int j, struct span record)
{
    struct buf b = BUF(4096);
    char key_text[64];

    if (!record.n)
        return;
    buf_add(&b, record.p, RECORD_HEADER);
    if (has_doc(record.p))
        buf_puts(&b, job_docs[j]);
    if (has_ended(record.p))
        buf_puts(&b, "{}");
    name(key_text, keys.job, job_ids[j]);
    if (record.n > RECORD_HEADER)
        say("SET", key_text, b.p, "PX", "86400000", NULL);
    else
        say("SET", key_text, b.p, NULL);
    buf_done(&b);
}

static void write_delayed(uint8_t at)
{
    char score[32], member[64];

    if (!(at & AT_THERE))
        return;
    snprintf(score, sizeof score, "%" PRId64 "%s", at & AT_LATER ? LATER_MS : 1,
             at & AT_FRONT ? ".5" : "");
    snprintf(member, sizeof member, "%s/%s", queue_name(queue_ids[at & AT_QUEUE ? 1 : 0]),
             job_ids[at & AT_JOB]);
    say("ZADD", key(&keys, KEY_DELAYED), score, member, NULL);
}

static void write_worker(const struct image *i, int w)
{
    char what[32], active[64];

    if (i->beat[w]) {
        snprintf(what, sizeof what, "{\"n\":%d}", i->beat[w]);
        say("HSET", key(&keys, KEY_WORKERS), worker_ids[w], what, NULL);
    }
    name(active, keys.active, worker_ids[w]);
    for (int j = 0; j < JOBS; j++)
        if (i->active[w] & 1 << j)
            say("SADD", active, job_ids[j], NULL);
}

static void write_late(struct span late)
{
    for (const char *p = late.p; *p;) {
        size_t n = strcspn(++p, " ");
        char event[192];

        snprintf(event, sizeof event, "%.*s", (int)n, p);
        say("ZADD", key(&keys, KEY_LATE), "1", event, NULL);
        p += n;
    }
}

static void write_docs(const char *list, const uint8_t *docs)
{
    for (int d = 0; d < DOCS && docs[d]; d++)
        say("LPUSH", list, job_docs[docs[d] - 1], NULL);
}

static void write_image(const struct image *i)
{
    say("FLUSHDB", NULL);
    for (int j = 0; j < JOBS; j++) {
        write_record(j, pool_bytes(records, i->record[j]));
        if (i->cancels & 1 << j)
            say("HSET", key(&keys, KEY_CANCELS), job_ids[j], "1", NULL);
        if (i->dead & 1 << j)
            say("ZADD", key(&keys, KEY_DEAD), "1", job_ids[j], NULL);
    }
    for (int q = 0; q < QUEUES; q++)
        for (int n = 0; n < LIST && i->ready[q][n]; n++)
            say("LPUSH", keys.ready[queue_ids[q]], job_ids[i->ready[q][n] - 1], NULL);
    for (int n = 0; n < DELAYED; n++)
        write_delayed(i->delayed[n]);
    for (int w = 0; w < IDS; w++)
        write_worker(i, w);
    if (i->lease)
        say("SET", key(&keys, KEY_LEASE), leases[i->lease], NULL);
    write_docs(key(&keys, KEY_INTAKE), i->intake);
    write_docs(key(&keys, KEY_TAKEN), i->taken);
    write_late(pool_bytes(texts, i->late));
}

/* ---- reading ---- */

static const struct reply *next(void)
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

/* Times of a header: 0 stays, what is past becomes 1, what is to come LATER_MS. */
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

/* ---- the questions, in the order in which they are read ---- */

static void ask_all(void)
{
    char text[64], day[9];

    for (int j = 0; j < JOBS; j++) {
        name(text, keys.job, job_ids[j]);
        say("GET", text, NULL);
        say("PTTL", text, NULL);
    }
    for (int q = 0; q < QUEUES; q++)
        say("LRANGE", keys.ready[queue_ids[q]], "0", "-1", NULL);
    for (int w = 0; w < IDS; w++) {
        name(text, keys.active, worker_ids[w]);
        say("SMEMBERS", text, NULL);
    }
    say("ZRANGE", key(&keys, KEY_DELAYED), "0", "-1", "WITHSCORES", NULL);
    say("HGETALL", key(&keys, KEY_WORKERS), NULL);
    say("HKEYS", key(&keys, KEY_CANCELS), NULL);
    say("ZRANGE", key(&keys, KEY_DEAD), "0", "-1", NULL);
    say("GET", key(&keys, KEY_LEASE), NULL);
    say("LRANGE", key(&keys, KEY_INTAKE), "0", "-1", NULL);
    say("LRANGE", key(&keys, KEY_TAKEN), "0", "-1", NULL);
    say("ZRANGE", key(&keys, KEY_LATE), "0", "-1", NULL);
    say("XRANGE", key(&keys, KEY_RESULTS), "-", "+", NULL);
    say("XRANGE", key(&keys, KEY_COSTS), "-", "+", NULL);
    name(text, keys.spend, clock_day(clock_wall_ms(), day));
    say("HGETALL", text, NULL);
}

#define WITH_NEXT(r, what)                \
    do {                                  \
        const struct reply *(r) = next(); \
        what;                             \
        wire_done(r);                     \
    } while (0)

static struct answer read_all(void)
{
    struct answer a = {0};
    struct image i = {0};
    struct buf news = BUF(1 << 20);
    int64_t costs = 0, sums = 0;
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
        buf_printf(b, ":%" PRId64 "\r\n", v > INT64_C(1000000000000) ? WALL_MS : v);
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

struct answer image_run(const struct image *before, struct span command)
{
    struct buf said = BUF(1 << 20);
    const struct reply *reply;
    struct answer a;
    uint32_t id;

    if (!out.max_bytes)
        buf_init(&out, 16 << 20);
    buf_clear(&out);
    sent = 0;
    write_image(before);
    buf_add_span(&out, command);
    ask_all();
    server_send(buf_span(&out));
    for (size_t n = sent, asked = 2 * JOBS + QUEUES + IDS + 11; n > asked; n--)
        wire_done(next());
    reply = server_reply();
    write_reply(&said, reply);
    wire_done(reply);
    id = pool_id(texts, said.p, said.n);
    buf_done(&said);
    a = read_all();
    a.reply = id;
    return a;
}
