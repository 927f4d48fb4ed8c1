/* reading.c - see reading.h.
 *
 *   record ─ ended? ─▶ what is left in the stream, then over
 *      │ no (or not there yet)
 *      └▶ XREAD BLOCK ─▶ entries ─▶ text ─▶ `end` of this run? ─▶ over
 *
 * A worker that dies writes no `end`, so the record decides.  Entries of earlier
 * runs of the job are passed over.  Redis may drop the oldest entries of a long
 * answer; who reads along from the beginning does not miss them. */
#include "scheduler/cli/reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/json.h"

enum { BLOCK_MS = 200, ENTRIES = 100, TEXT_BYTES = 64 << 20, GONE_MS = 600 };

struct reading {
    struct cli *c;
    const char *id;
    char key[256], last[64], call[80];
    int64_t run; /* of the job; 0: not known yet */
    struct buf chunk, text;
    size_t entries; /* of the last answer */
    bool answered, over, printed, mid_line;
};

/* ---- text ---- */

static void end_line(struct reading *r)
{
    if (r->mid_line)
        putchar('\n');
    r->mid_line = false;
}

/* The text of the first choice in a chunk. */
static void print_chunk(struct reading *r, struct span chunk)
{
    struct json_iter it;
    struct span choices = json_at(chunk, "choices"), delta, text;
    int64_t index = 0;

    if (!choices.n || !json_iter_init(&it, choices.p, choices.n))
        return;
    while (json_next(&it)) {
        if (json_read_int(json_at(it.value, "index"), &index) && index != 0)
            continue;
        delta = json_at(it.value, "delta");
        text = json_absent(delta) ? json_at(it.value, "text") : json_at(delta, "content");
        buf_clear(&r->text);
        if (!json_read_string(text, &r->text) || r->text.n == 0)
            continue;
        fwrite(r->text.p, 1, r->text.n, stdout);
        r->mid_line = r->text.p[r->text.n - 1] != '\n';
        r->printed = true;
    }
}

static void print_data(struct reading *r, struct span data)
{
    const char *end = data.p + data.n;

    if (r->c->json && data.n) {
        printf("%.*s\n", (int)data.n, data.p);
        r->printed = true;
        return;
    }
    for (const char *p = data.p; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));

        nl = nl ? nl : end;
        buf_clear(&r->chunk);
        if (buf_add(&r->chunk, p, (size_t)(nl - p))) {
            json_mend_halves(r->chunk.p, r->chunk.n); /* of a character cut between two chunks */
            print_chunk(r, buf_span(&r->chunk));
        }
        p = nl + 1;
    }
}

/* ---- entries ---- */

static struct span field(const struct reply *fields, const char *name)
{
    for (size_t i = 0; i + 1 < reply_count(fields); i += 2)
        if (reply_is(reply_at(fields, i), name))
            return reply_span(reply_at(fields, i + 1));
    return (struct span){NULL, 0};
}

/* Another call: its text is not the end of what was printed. */
static void start_anew(struct reading *r, struct span call)
{
    bool first = !r->call[0];

    if (!call.n || span_is(call, r->call))
        return;
    snprintf(r->call, sizeof r->call, "%.*s", (int)call.n, call.p);
    if (first || !r->printed || r->c->json)
        return;
    end_line(r);
    fflush(stdout);
    cli_fail(CLI_OK, "%s: the answer was cut or refused; it starts again from the beginning",
             r->id);
}

static void read_entry(struct reading *r, const struct reply *entry)
{
    struct span id = reply_span(reply_at(entry, 0));
    const struct reply *fields = reply_at(entry, 1);
    struct span run = field(fields, "run"), lost = field(fields, "lost"),
                end = field(fields, "end");
    int64_t n = 0;

    snprintf(r->last, sizeof r->last, "%.*s", (int)id.n, id.p);
    if (json_read_int(run, &n) && n < r->run)
        return;
    start_anew(r, field(fields, "call"));
    if (lost.n && !r->c->json)
        cli_fail(CLI_OK, "%s: %.*s chunks were dropped here; the result has all", r->id,
                 (int)lost.n, lost.p);
    print_data(r, field(fields, "data"));
    if (end.n && !span_is(end, "again"))
        r->over = true;
}

static void on_entries(void *arg, const struct reply *reply, const struct err *err)
{
    struct reading *r = arg;
    const struct reply *entries = reply_at(reply_at(reply, 0), 1);

    r->answered = true;
    if (!reply)
        cli_refused(r->c, "XREAD", err);
    r->entries = reply_count(entries);
    for (size_t i = 0; i < r->entries; i++)
        read_entry(r, reply_at(entries, i));
    fflush(stdout);
}

/* What is new, waiting for it at most block_ms; 0: not at all. */
static void read_more(struct reading *r, int64_t block_ms)
{
    struct redis_args a;

    redis_args_make(&a, "XREAD", "COUNT", ENTRIES);
    if (block_ms) {
        redis_args_add(&a, "BLOCK", block_ms);
    }
    redis_args_add(&a, "STREAMS", r->key, r->last);
    r->answered = false;
    r->entries = 0;
    redis_send_blocking(r->c->redis, &a, block_ms, on_entries, r);
    while (!r->answered)
        loop_turn(r->c->loop, 1000);
}

/* ---- the job ---- */

enum seen { SEEN_NOTHING, SEEN_ALIVE, SEEN_ENDED };

static enum seen reading_look(struct reading *r)
{
    struct buf bytes = BUF((size_t)512 << 20);
    struct record rec;
    enum seen seen = SEEN_NOTHING;

    if (cli_record(r->c, r->id, &bytes, &rec) == CLI_RECORD_THERE) {
        r->run = rec.run;
        seen = job_state_ended(rec.state) ? SEEN_ENDED : SEEN_ALIVE;
    }
    buf_done(&bytes);
    return seen;
}

/* Nobody knows the job: cli_waiting_finish will say so. */
static bool is_unknown(const struct reading *r, enum seen seen, int64_t ms)
{
    return seen == SEEN_NOTHING && ms > GONE_MS && cli_intake_is_empty(r->c);
}

bool cli_read_along(struct cli *c, const char *id, int64_t timeout_ms)
{
    struct reading r = {
        .c = c, .id = id, .last = "0-0", .chunk = BUF(TEXT_BYTES), .text = BUF(TEXT_BYTES)};
    int64_t start = clock_mono_ms();
    enum seen seen = SEEN_NOTHING;

    snprintf(r.key, sizeof r.key, "%s%s", c->keys.chunks, id);
    while (!r.over && !cli_has_failed(c)) {
        int64_t ms = clock_mono_ms() - start;

        if (r.entries == 0)
            seen = reading_look(&r);
        if (is_unknown(&r, seen, ms) || (timeout_ms >= 0 && ms >= timeout_ms))
            break;
        read_more(&r, seen == SEEN_ENDED ? 0 : BLOCK_MS);
        if (seen == SEEN_ENDED && r.entries == 0)
            break;
    }
    end_line(&r);
    fflush(stdout);
    buf_done(&r.chunk);
    buf_done(&r.text);
    return r.printed;
}
