/* rules.c - what must hold after every move.
 *
 *   of an image     each live job is named by a place that somebody looks at;
 * what is written about a job in two keys agrees of an answer    a result once
 * per run, a cost event once, and never none, sums as events; an outcome that
 * is answered `again` or `stale`, and any call that knows an older claim,
 * writes nothing but its costs; attempts are those that outcomes spent
 *
 * A job that is claimed and not started is ready, and the worker's active set
 * names it: the worker starts it, or looks, or is recovered.  A ready job may
 * be named more than once, as a name is only a hint. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"
#include "common/queue/settle.h"
#include "tests/explore/state.h"

uint64_t rules_written;

/* ---- images ---- */

static bool is_named(const struct image *i, int job)
{
    for (int q = 0; q < QUEUES; q++)
        for (int n = 0; n < LIST; n++)
            if (i->ready[q][n] == job + 1)
                return true;
    for (int n = 0; n < DELAYED; n++)
        if (i->delayed[n] & AT_THERE && (i->delayed[n] & AT_JOB) == job)
            return true;
    for (int w = 0; w < IDS; w++)
        if (i->active[w] & 1 << job)
            return true;
    return false;
}

static bool is_held(const struct image *i, int job, const char *header)
{
    for (int w = 0; w < IDS; w++)
        if (!memcmp(worker_ids[w] + 2, header + 10, 8))
            return i->active[w] & 1 << job;
    return false;
}

static const char *look_at_job(const struct image *i, int job)
{
    struct span record = pool_bytes(records, i->record[job]);
    char state = record.n ? record.p[2] : '-';
    bool live = state == 'r' || state == 'a', asked = record.n && record.p[3] == 'c';

    if (state == 'r' && !is_named(i, job))
        return "a ready job is named by no list and no set";
    if (state == 'a' && !is_held(i, job, record.p))
        return "an active job is not in the active set of its worker";
    if (state == 'a' && memcmp(record.p + 70, "00000000001", 11) > 0)
        return "a job runs before its time";
    if (live && record.n > RECORD_HEADER)
        return "the record of a live job has a time to live";
    if (!live && record.n == RECORD_HEADER)
        return "the record of an ended job is kept for ever";
    if (asked != ((i->cancels >> job & 1) != 0))
        return "`cancels` and the flag in the record differ";
    if ((state == 'f') != ((i->dead >> job & 1) != 0))
        return "the dead set and the state of the record differ";
    return NULL;
}

const char *rules_of_image(uint32_t image)
{
    static const char **known; /* by image; "" not looked at */
    static size_t room;
    const struct image *i = image_of(image);

    if (image >= room) {
        size_t before = room;

        room = 2 * (size_t)image;
        known = xrealloc(known, room * sizeof *known);
        for (size_t k = before; k < room; k++)
            known[k] = "";
    }
    if (known[image] && !*known[image]) {
        known[image] = NULL;
        for (int j = 0; j < JOBS && !known[image]; j++)
            known[image] = look_at_job(i, j);
    }
    return known[image];
}

/* ---- what was told ---- */

static bool has_word(struct span all, const char *word, size_t n)
{
    for (const char *p = all.p; p && (p = memmem(p, all.n - (size_t)(p - all.p), word, n)); p++)
        if (p[n] == ' ' || p[n] == '\0')
            return true;
    return false;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The words of both, sorted, so that the order in which they came is forgotten.
 */
static uint32_t merge(struct span a, struct span b)
{
    struct buf all = BUF(1 << 20), sorted = BUF(1 << 20);
    char *words[256], *next = NULL;
    size_t n = 0;
    uint32_t id;

    buf_add_span(&all, a);
    buf_add_span(&all, b);
    for (char *w = strtok_r(all.p, " ", &next); w && n < 256; w = strtok_r(NULL, " ", &next))
        words[n++] = w;
    qsort(words, n, sizeof *words, by_text);
    for (size_t i = 0; i < n; i++)
        buf_printf(&sorted, " %s", words[i]);
    id = pool_id(texts, sorted.p, sorted.n);
    buf_done(&all);
    buf_done(&sorted);
    return id;
}

void rules_hear(struct trial *t, uint32_t news)
{
    struct span told = pool_bytes(texts, news), seen = pool_bytes(texts, t->s.seen);

    for (const char *p = told.p; *p;) {
        size_t n = 1 + strcspn(p + 1, " ");

        if (has_word(seen, p, n) || has_word((struct span){p + n, strlen(p + n)}, p, n))
            t->broken = p[1] == '=' ? "a run has two results" : "a cost event was added twice";
        p += n;
    }
    t->s.seen = merge(seen, told);
}

/* ---- outcomes ---- */

static bool only_costs(const struct image *before, const struct image *after, bool may_leave_set)
{
    struct image a = *before, b = *after;

    a.late = b.late = a.holds = b.holds = a.notes = b.notes = a.room = b.room = 0;
    a.spent = b.spent = a.reserved = b.reserved = 0;
    for (int w = 0; may_leave_set && w < IDS; w++)
        if ((b.active[w] & ~a.active[w]) == 0)
            a.active[w] = b.active[w];
    return image_id(&a) == image_id(&b);
}

static void look_at_codes(struct trial *t, struct span codes, const struct answer *a,
                          uint32_t image_before)
{
    bool none = codes.n > 0, stale = false;

    for (size_t i = 0; i < codes.n; i++) {
        none &= codes.p[i] == SETTLE_AGAIN || codes.p[i] == SETTLE_STALE;
        stale |= codes.p[i] == SETTLE_STALE;
    }
    if (none && !only_costs(image_of(image_before), image_of(a->image), stale))
        t->broken = "an outcome that was answered `again` or `stale` has changed something";
    if (none && !stale && a->news)
        t->broken = "an outcome that was answered `again` has told something";
}

/* An outcome brings its cost event, whatever else it is answered: at once, or
 * when it was sent first.
 */
static void look_for_event(struct trial *t, const struct call *c, char code)
{
    char claim[RECORD_TOKEN + 8], event[64];

    if (c->kind != CALL_OUTCOME || !c->n || code == SETTLE_CANCEL || code == '-')
        return;
    snprintf(claim, sizeof claim, "%.*s", RECORD_TOKEN, header_of(c->held) + 10);
    snprintf(event, sizeof event, "-%s.%d", claim, c->n);
    if (!strstr(pool_bytes(texts, t->s.seen).p, event))
        t->broken = "a call was paid, and its cost event is lost";
}

/* Whoever knows an older claim of the job changes nothing, whatever it is
 * answered. */
static void look_at_loser(struct trial *t, const struct call *c, const struct answer *a,
                          uint32_t image_before)
{
    uint32_t record = image_of(image_before)->record[c->jobs < JOBS ? c->jobs : 0];

    if (!c->held || c->kind == CALL_RAW)
        return;
    if (record && !memcmp(header_of(record) + 4, header_of(c->held) + 4, RECORD_CLAIM))
        return;
    if (!only_costs(image_of(image_before), image_of(a->image), true))
        t->broken = "a claim that is over has changed something";
}

static void count_attempts(struct trial *t, const struct call *c, char code)
{
    if (c->kind == CALL_REPLAY && code == 'k')
        t->s.attempts[c->jobs] = 0;
    if (c->kind == CALL_OUTCOME && c->what == OUT_RETRY && code == SETTLE_WRITTEN)
        t->s.attempts[c->jobs]++;
}

static void look_at_attempts(struct trial *t, const struct image *i)
{
    for (int j = 0; j < JOBS; j++) {
        const char *header = i->record[j] ? header_of(i->record[j]) : NULL;
        char text[4] = "";

        if (!header || !strchr("ra", header[2]))
            continue;
        memcpy(text, header + 40, 3);
        if (strtol(text, NULL, 16) != t->s.attempts[j])
            t->broken = "attempts were spent by something else than an outcome";
    }
}

static bool is_in(const uint8_t *docs, int job)
{
    for (int d = 0; d < DOCS; d++)
        if (docs[d] == job + 1)
            return true;
    return false;
}

/* Each document that was pushed waits, or is a job. */
static void look_at_documents(struct trial *t, const struct image *i)
{
    for (int j = 0; j < JOBS; j++)
        if (t->s.pushed & 1 << j && !i->record[j] && !is_in(i->intake, j) && !is_in(i->taken, j))
            t->broken = "a document that was pushed is nowhere";
}

void rules_of_answer(struct trial *t, const struct call *c, const struct answer *a,
                     uint32_t image_before)
{
    const struct reply *r = reply_of(a->reply);
    bool settles = c->kind == CALL_OUTCOME || c->kind == CALL_END || c->kind == CALL_RAW;
    struct span codes = settles && reply_is(reply_at(r, 0), "ok") ? reply_span(reply_at(r, 1))
                                                                  : (struct span){NULL, 0};

    if (reply_type(r) == REPLY_ERROR)
        t->broken = "the script failed";
    if (reply_is(reply_at(r, 0), "day")) /* it changed while this ran: not a fault of theirs */
        t->overflow = true;
    for (size_t k = 0; k < codes.n; k++)
        rules_written += codes.p[k] == SETTLE_WRITTEN;
    if (a->unbalanced)
        t->broken = "the sums of the day are not those of the cost events";
    t->overflow |= a->overflow;
    if (a->news)
        rules_hear(t, a->news);
    if (c->what != OUT_TELL || c->kind != CALL_OUTCOME)
        look_at_codes(t, codes, a, image_before);
    look_at_loser(t, c, a, image_before);
    rules_of_money(t, c, image_before, a->image);
    if (c->kind == CALL_REPLAY)
        codes = reply_span(r);
    look_for_event(t, c, codes.n ? codes.p[0] : '-');
    count_attempts(t, c, codes.n ? codes.p[0] : '-');
    look_at_attempts(t, image_of(a->image));
    look_at_documents(t, image_of(a->image));
    if (!t->broken)
        t->broken = rules_of_image(a->image);
}
