/* sim_answers.c - known answers, found by the end of their question.
 *
 *   prompt  ...... What is 6 times 7? Answer:
 *                  [window of `window` bytes] ─▶ rolling hash ─▶ bucket ─▶ compare the whole
 * question
 *
 * All questions are looked for at once: the last `window` bytes of each one
 * are hashed (Rabin-Karp), and a window of that size slides over the prompt.
 * Nearly all places fall into an empty bucket.
 */
#include "tests/sim/sim_answers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/xalloc.h"

#define WINDOW_MAX   24
#define BUCKETS      ((size_t)1 << 14)
#define BASE         1099511628211u /* odd, large: the prime of FNV */
#define QUESTION_MAX ((size_t)1024 * 1024)

struct entry {
    char *question, *answer;
    size_t question_bytes, answer_bytes;
    struct entry *next; /* in its bucket */
};

struct sim_answers {
    struct entry *entries;
    size_t count, cap, window;
    uint64_t drop; /* BASE to the power of window: what the byte that leaves weighs */
    struct entry *buckets[BUCKETS];
};

static size_t bucket_of(uint64_t hash) { return (size_t)(hash >> 40) % BUCKETS; }

static bool add_line(struct sim_answers *a, struct span line, struct err *err)
{
    struct span question, answer;
    const struct json_want wants[] = {{"question", &question}, {"answer", &answer}};
    struct buf q = BUF(QUESTION_MAX), r = BUF(QUESTION_MAX);
    struct entry *e;

    if (!json_pick(line.p, line.n, wants, ARRAY_LEN(wants)) || !json_read_string(question, &q) ||
        !json_read_string(answer, &r) || !q.n) {
        buf_done(&q);
        buf_done(&r);
        return err_set(err, ERR_INVALID, "expected {\"question\": \"...\", \"answer\": \"...\"}");
    }
    if (a->count == a->cap) {
        a->cap = a->cap ? a->cap * 2 : 256;
        a->entries = xrealloc(a->entries, a->cap * sizeof(*a->entries));
    }
    e = &a->entries[a->count++];
    *e = (struct entry){.question_bytes = q.n, .answer_bytes = r.n};
    e->question = buf_take(&q);
    e->answer = buf_take(&r);
    return true;
}

/* Hash all question ends, once all are known (the window is the shortest question, at most
 * WINDOW_MAX). */
static void build_index(struct sim_answers *a)
{
    a->window = WINDOW_MAX;
    for (size_t i = 0; i < a->count; i++)
        if (a->entries[i].question_bytes < a->window)
            a->window = a->entries[i].question_bytes;
    a->drop = 1;
    for (size_t i = 0; i < a->window; i++)
        a->drop *= BASE;
    for (size_t i = 0; i < a->count; i++) {
        struct entry *e = &a->entries[i], **at;
        uint64_t hash = 0;
        for (size_t k = e->question_bytes - a->window; k < e->question_bytes; k++)
            hash = hash * BASE + (unsigned char)e->question[k];
        at = &a->buckets[bucket_of(hash)];
        while (*at && (*at)->question_bytes >= e->question_bytes)
            at = &(*at)->next;
        e->next = *at;
        *at = e;
    }
}

struct sim_answers *sim_answers_parse(const char *p, size_t n, struct err *err)
{
    struct sim_answers *a = xcalloc(1, sizeof(*a));
    const char *end = p + n;

    for (int line = 1; p < end; line++) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        struct span s = {p, (size_t)((nl ? nl : end) - p)};
        p = nl ? nl + 1 : end;
        while (s.n && (s.p[s.n - 1] == '\r' || s.p[s.n - 1] == ' '))
            s.n--;
        if (s.n && !add_line(a, s, err)) {
            err_wrap(err, "line %d", line);
            sim_answers_free(a);
            return NULL;
        }
    }
    build_index(a);
    return a;
}

struct sim_answers *sim_answers_load(const char *path, struct err *err)
{
    struct buf text = BUF(SIM_ANSWERS_FILE_MAX);
    struct sim_answers *a = NULL;
    FILE *f = fopen(path, "re");
    char *at;
    size_t n = 0;

    if (!f) {
        err_set(err, ERR_CONFIG, "%s: %s", path, strerror(errno));
        return NULL;
    }
    while ((at = buf_reserve(&text, 65536)) && (n = fread(at, 1, 65536, f)) > 0)
        text.n += n;
    if (!at)
        err_set(err, ERR_CONFIG, "%s: more than %zu bytes", path, SIM_ANSWERS_FILE_MAX);
    else
        a = sim_answers_parse(text.p, text.n, err);
    if (!a)
        err_wrap(err, "%s", path);
    fclose(f);
    buf_done(&text);
    return a;
}

void sim_answers_free(struct sim_answers *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->count; i++) {
        free(a->entries[i].question);
        free(a->entries[i].answer);
    }
    free(a->entries);
    free(a);
}

size_t sim_answers_count(const struct sim_answers *a) { return a ? a->count : 0; }

/* The longest question of the bucket that ends at prompt[end]. */
static const struct entry *match_at(const struct entry *e, struct span prompt, size_t end)
{
    while (e && (e->question_bytes > end ||
                 memcmp(prompt.p + end - e->question_bytes, e->question, e->question_bytes) != 0))
        e = e->next;
    return e;
}

struct span sim_answers_find(const struct sim_answers *a, struct span prompt)
{
    const struct entry *best = NULL, *hit;
    uint64_t hash = 0;

    if (!a || !a->count || prompt.n < a->window)
        return (struct span){NULL, 0};
    for (size_t i = 0; i < prompt.n; i++) {
        hash = hash * BASE + (unsigned char)prompt.p[i];
        if (i >= a->window)
            hash -= a->drop * (unsigned char)prompt.p[i - a->window];
        if (i + 1 < a->window || !a->buckets[bucket_of(hash)])
            continue;
        hit = match_at(a->buckets[bucket_of(hash)], prompt, i + 1);
        best = hit ? hit : best;
    }
    return best ? (struct span){best->answer, best->answer_bytes} : (struct span){NULL, 0};
}
