/* waiting.c - see waiting.h.
 *
 * Records are polled, many ids per MGET, quickly at first and then slower, so
 * that waiting for one job is prompt and waiting for a million is cheap. */
#include "scheduler/cli/waiting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/digest.h"
#include "common/core/json.h"
#include "common/core/xalloc.h"
#include "scheduler/cli/reading.h"

enum { LOOK_JOBS = 128, PAUSE_MIN_MS = 5, PAUSE_MAX_MS = 250, UNKNOWN_MS = 300 };

struct waited {
    char *id;
    char digest[DIGEST_TEXT]; /* of the document; "" of a job that was not submitted here */
};

struct cli_waiting {
    struct cli *c;
    struct waited *jobs;
    size_t count, cap, total, failed;
    int64_t started_ms;
    bool missing; /* some id has no record */
    bool unknown; /* and nothing waits in intake that could be it */
    bool as_text; /* a good result is its answer's text, which may have been printed already */
    bool was_read;
};

struct cli_waiting *cli_waiting_new(struct cli *c)
{
    struct cli_waiting *w = xcalloc(1, sizeof *w);

    w->c = c;
    w->started_ms = clock_mono_ms();
    return w;
}

void cli_waiting_free(struct cli_waiting *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->count; i++)
        free(w->jobs[i].id);
    free(w->jobs);
    free(w);
}

void cli_waiting_add(struct cli_waiting *w, const char *id, const char *digest)
{
    struct waited *job;

    if (w->count == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 64;
        w->jobs = xrealloc(w->jobs, w->cap * sizeof *w->jobs);
    }
    job = &w->jobs[w->count++];
    *job = (struct waited){.id = xstrdup(id)};
    snprintf(job->digest, sizeof job->digest, "%s", digest);
    w->total++;
}

bool cli_answer_text(struct span result, struct buf *text)
{
    struct span v = json_at(result, "output.choices.0.message.content");

    return json_read_string(v.n ? v : json_at(result, "output.choices.0.text"), text);
}

/* False when the output has none. */
static bool print_text(struct span result)
{
    struct buf text = BUF(result.n + 1);
    bool ok = cli_answer_text(result, &text);

    if (ok)
        printf("%.*s\n", (int)text.n, text.p ? text.p : "");
    buf_done(&text);
    return ok;
}

/* False: to be printed as any other. */
static bool print_as_text(const struct cli_waiting *w, const char *id, const struct record *rec,
                          struct span result)
{
    struct span message = json_at(result, "error.message");

    if (rec->state == JOB_STATE_COMPLETED)
        return w->was_read || print_text(result);
    cli_fail(CLI_JOB_FAILED, "%s: %s: %.*s", id, job_state_name(rec->state), (int)message.n,
             message.p ? message.p : "");
    return true;
}

static void print_result(struct cli_waiting *w, const char *id, const struct record *rec,
                         struct span result)
{
    struct span cost = json_at(result, "cost_nanousd"), message = json_at(result, "error.message");
    struct span finished = json_at(result, "finished_at");
    int64_t nanousd = 0, end = 0;

    if (rec->state != JOB_STATE_COMPLETED && rec->state != JOB_STATE_PARTIAL)
        w->failed++;
    if (w->as_text && !w->c->json && print_as_text(w, id, rec, result))
        return;
    if (w->c->json || w->total == 1) {
        cli_put_line(result);
        return;
    }
    if (!json_read_int(cost, &nanousd))
        nanousd = 0;
    if (!json_read_int(finished, &end))
        end = rec->submitted_ms;
    printf("%-36s  %-9s  %s  %s%s%.*s\n", id, job_state_name(rec->state), cli_usd(nanousd),
           cli_duration(end - rec->submitted_ms), message.n > 4 ? "  " : "",
           message.n > 4 ? (int)message.n : 0, message.n > 4 ? message.p : "");
}

/* Under that id there is a job of another document: the one that was submitted here is refused,
 * under an id that is not known here. */
static bool is_other(const struct waited *job, const struct record *rec)
{
    return job->digest[0] && rec->state != JOB_STATE_REJECTED &&
           memcmp(job->digest, rec->digest, DIGEST_TEXT - 1) != 0;
}

/* True when that job has ended and was printed. */
static bool look_at(struct cli_waiting *w, const struct waited *job, struct span bytes)
{
    struct record rec;

    if (!bytes.p) {
        w->missing = true;
        return false;
    }
    if (!record_read(bytes.p, bytes.n, &rec))
        return false;
    if (is_other(job, &rec)) {
        cli_fail(CLI_JOB_FAILED, "%s: refused: another document was already submitted as '%s'",
                 job->id, job->id);
        w->failed++;
        return true;
    }
    if (!job_state_ended(rec.state))
        return false;
    print_result(w, job->id, &rec, record_tail(&rec, bytes.p, bytes.n));
    return true;
}

/* One MGET over the ids from `at`; returns how many of them are still missing (moved to the front
 * of that part). */
static size_t look_at_part(struct cli_waiting *w, size_t at, size_t n, size_t keep)
{
    struct redis_args a;
    const struct reply *reply;

    redis_args_init(&a);
    redis_arg_str(&a, "MGET");
    for (size_t i = 0; i < n; i++)
        keys_arg(&a, w->c->keys.job, w->jobs[at + i].id);
    reply = cli_call(w->c, &a);
    for (size_t i = 0; i < n; i++) {
        struct waited job = w->jobs[at + i];

        if (reply && look_at(w, &job, reply_span(reply_at(reply, i))))
            free(job.id);
        else
            w->jobs[keep++] = job;
    }
    return keep;
}

static void waiting_look(struct cli_waiting *w)
{
    size_t keep = 0;
    /* Looked at before the records: a job goes from intake to its record, never back. */
    bool none_to_come =
        w->missing && clock_mono_ms() - w->started_ms > UNKNOWN_MS && cli_intake_is_empty(w->c);

    w->missing = false;
    for (size_t at = 0; at < w->count; at += LOOK_JOBS)
        keep = look_at_part(w, at, w->count - at < LOOK_JOBS ? w->count - at : LOOK_JOBS, keep);
    w->count = keep;
    w->unknown = w->missing && none_to_come;
    fflush(stdout);
}

static void bar(const struct cli_waiting *w)
{
    enum { WIDTH = 40 };
    size_t done = w->total - w->count;
    int full = w->total ? (int)(done * WIDTH / w->total) : 0;

    if (!cli_stderr_is_terminal() || w->total < 2)
        return;
    fprintf(stderr, "\r[%.*s%*s] %zu/%zu ", full, "########################################",
            WIDTH - full, "", done, w->total);
    if (w->count == 0)
        fputc('\n', stderr);
}

void cli_waiting_progress(struct cli_waiting *w, bool do_look)
{
    if (do_look)
        waiting_look(w);
    bar(w);
}

static int status_of(const struct cli_waiting *w)
{
    if (w->count > 0)
        return w->unknown ? CLI_NOT_FOUND : CLI_FAILED;
    return w->failed > 0 ? CLI_JOB_FAILED : CLI_OK;
}

int cli_waiting_finish(struct cli_waiting *w, int64_t timeout_ms)
{
    int64_t pause = PAUSE_MIN_MS, deadline = clock_mono_ms() + timeout_ms;
    int status;

    for (;;) {
        size_t before = w->count;

        cli_waiting_progress(w, true);
        if (w->count == 0 || w->unknown || (timeout_ms >= 0 && clock_mono_ms() >= deadline) ||
            cli_has_failed(w->c))
            break;
        pause = w->count < before ? PAUSE_MIN_MS : pause * 2;
        if (pause > PAUSE_MAX_MS)
            pause = PAUSE_MAX_MS;
        for (int64_t until = clock_mono_ms() + pause; clock_mono_ms() < until;)
            loop_turn(w->c->loop, until - clock_mono_ms());
    }
    status = status_of(w);
    if (cli_has_failed(w->c) && w->count > 0)
        status = cli_fail(CLI_FAILED, "not known: how %zu of %zu jobs ended", w->count, w->total);
    else if (status == CLI_NOT_FOUND)
        cli_fail(status, "%s: no such job", w->jobs[0].id);
    else if (status == CLI_FAILED)
        cli_fail(status, "%zu of %zu jobs have not ended in time", w->count, w->total);
    cli_waiting_free(w);
    return status;
}

int cli_waiting_read(struct cli_waiting *w, int64_t timeout_ms)
{
    int64_t start = clock_mono_ms();

    w->as_text = true;
    w->was_read = cli_read_along(w->c, w->jobs[0].id, timeout_ms);
    if (timeout_ms >= 0) {
        timeout_ms -= clock_mono_ms() - start;
        timeout_ms = timeout_ms < 0 ? 0 : timeout_ms;
    }
    return cli_waiting_finish(w, timeout_ms);
}

size_t cli_waiting_count(const struct cli_waiting *w) { return w->total; }
