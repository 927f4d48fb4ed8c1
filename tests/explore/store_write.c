/* store_write.c - an image is written to Redis, a command runs, everything is
 * asked for: one write. store_read.c reads the replies.  See store.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/io/redis_private.h"
#include "tests/explore/store_private.h"
#include "tests/explore/wire.h"

enum { DOC_BYTES_AT = 106, STATE_AT = 2 };
#define LATER_TEXT "8000000000000"

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

/* Calls f with each word of the text. */
static void for_words(uint32_t text, void (*f)(const char *word))
{
    struct span all = pool_bytes(texts, text);
    char word[192];

    for (const char *p = all.p; p && *p;) {
        size_t n = strcspn(++p, " ");

        snprintf(word, sizeof word, "%.*s", (int)n, p);
        f(word);
        p += n;
    }
}

static void write_hold(const char *word)
{
    const char *is = strchr(word, '=');
    char hold[96], member[104], value[64];

    snprintf(hold, sizeof hold, "%.*s", (int)(is - word), word);
    snprintf(member, sizeof member, "h%s", hold);
    snprintf(value, sizeof value, "%c %s|" BUDGET_SUM, is[1], is + 2);
    say("HSET", key(&keys, KEY_HOLDS), hold, value, NULL);
    say("ZADD", key(&keys, KEY_HOLDS_DUE), LATER_TEXT, member, NULL);
}

static void write_note(const char *word)
{
    const char *slash = strrchr(word, '/');
    char calls[64], hold[96];

    name(calls, keys.calls, worker_ids[word[0] - '0']);
    snprintf(hold, sizeof hold, "%.*s", (int)(slash - word - 2), word + 2);
    say("HSET", calls, hold, pool_bytes(texts, (uint32_t)strtoul(slash + 1, NULL, 10)).p, NULL);
}

static void write_entry(const char *word)
{
    char room[64];

    name(room, keys.room, BUDGET_ROOM);
    say("ZADD", room, "1", word, NULL);
}

static void write_money(const struct image *i)
{
    char value[64];

    if (!i->spent && !i->reserved && !pool_bytes(texts, i->holds).n)
        return;
    snprintf(value, sizeof value, "%u %u 0 " LATER_TEXT " %d ", i->spent, i->reserved,
             LIMIT_NANOUSD);
    say("HSET", key(&keys, KEY_BUDGET), BUDGET_SUM, value, NULL);
    say("ZADD", key(&keys, KEY_HOLDS_DUE), LATER_TEXT, "s" BUDGET_SUM, NULL);
    for_words(i->holds, write_hold);
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
    write_money(i);
    for_words(i->notes, write_note);
    for_words(i->room, write_entry);
}

/* ---- the questions, in the order in which store_read.c reads the answers ----
 */

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
    say("HGETALL", key(&keys, KEY_BUDGET), NULL);
    say("HGETALL", key(&keys, KEY_HOLDS), NULL);
    for (int w = 0; w < IDS; w++) {
        name(text, keys.calls, worker_ids[w]);
        say("HGETALL", text, NULL);
    }
    name(text, keys.room, BUDGET_ROOM);
    say("ZRANGE", text, "0", "-1", NULL);
}

struct answer image_run(const struct image *before, struct span command)
{
    if (!out.max_bytes)
        buf_init(&out, 16 << 20);
    buf_clear(&out);
    sent = 0;
    write_image(before);
    buf_add_span(&out, command);
    ask_all();
    server_send(buf_span(&out));
    for (size_t n = sent; n > IMAGE_QUESTIONS; n--)
        wire_done(image_next());
    return image_read();
}
