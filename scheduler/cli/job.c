/* job.c - `wait`, `job`, `jobs`: what the records say.
 *
 * `job` reads one record whole; `jobs` walks all keys of jobs (SCAN) and fetches headers only, as
 * documents can be large: what it lists is a sample of a queue that moves, not a moment of it.
 * Waiting itself is waiting.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/json.h"
#include "common/core/parse.h"
#include "common/core/xalloc.h"
#include "scheduler/cli/cli.h"
#include "scheduler/cli/waiting.h"

enum { NAME_COLUMNS = 11 };

int cli_wait(struct cli *c)
{
    const char *timeout = cli_option(c, "--timeout");
    bool stream = cli_flag(c, "--stream");
    int64_t seconds = -1;
    struct cli_waiting *w;

    if (c->argc < 1 || (stream && c->argc > 1) || cli_has_option(c) ||
        (timeout && !parse_int64(timeout, strlen(timeout), 0, 31536000, &seconds)))
        return cli_usage(c);
    w = cli_waiting_new(c);
    for (int i = 0; i < c->argc; i++)
        cli_waiting_add(w, c->argv[i], "");
    seconds = seconds < 0 ? -1 : seconds * 1000;
    return stream ? cli_waiting_read(w, seconds) : cli_waiting_finish(w, seconds);
}

/* The record as one JSON object: its header, the document and the result. */
static void write_record(struct buf *out, const char *id, const struct record *r, struct span bytes)
{
    struct span doc = record_doc(r, bytes.p, bytes.n), tail = record_tail(r, bytes.p, bytes.n);

    buf_putc(out, '{');
    json_add_str(out, "id", id);
    json_add_str(out, "state", record_state_name(r, clock_wall_ms()));
    json_add_str(out, "type", job_type_name(r->type));
    json_add_str(out, "queue", queue_name(r->queue));
    json_add_int(out, "run", r->run);
    json_add_int(out, "attempts", r->attempts);
    json_add_int(out, "crashes", r->crashes);
    json_add_int(out, "parks", r->parks);
    json_add_bool(out, "cancel_asked", r->cancel_asked);
    json_add_str(out, "step", r->step);
    json_add_int(out, "submitted_at", r->submitted_ms);
    json_add_int(out, "due_at", r->due_ms);
    json_add_int(out, "started_at", r->started_ms);
    json_add_int(out, "expires_at", r->expires_ms);
    json_add_int(out, "transitions", r->tnum);
    json_add_raw(out, "document", doc.n ? doc : (struct span){"null", 4});
    json_add_raw(out, "result",
                 job_state_ended(r->state) && tail.n ? tail : (struct span){"null", 4});
    buf_putc(out, '}');
}

/* "name       text", folded under the text for people. */
static void show_text(const char *name, struct span text)
{
    printf("%-10s ", name);
    cli_put_text(NAME_COLUMNS, text);
}

/* What came of it: for people the answer or the error first, and then all. */
static void show_result(struct span result)
{
    struct buf text = BUF(result.n + 1);
    struct span v = json_at(result, "error.message");

    if (cli_stdout_is_terminal() && cli_answer_text(result, &text))
        show_text("answer", buf_span(&text));
    if (cli_stdout_is_terminal() && json_read_string(v, &text))
        show_text("error", buf_span(&text));
    show_text("result", result);
    buf_done(&text);
}

/* Its due time; of a job that has ended nothing does. */
static bool lies_ahead(const struct record *r, int64_t now)
{
    return r->due_ms > now && !job_state_ended(r->state);
}

static void show_times(const struct record *r, int64_t now)
{
    printf("submitted  %s\nstarted    %s\n", cli_when(r->submitted_ms, now),
           cli_when(r->started_ms, now));
    if (lies_ahead(r, now))
        printf("due        %s%s\n", cli_when(r->due_ms, now), r->parked_ms ? " (parked)" : "");
    if (r->expires_ms && !job_state_ended(r->state))
        printf("expires    %s\n", cli_when(r->expires_ms, now));
}

static void show_record(const char *id, const struct record *r, struct span bytes)
{
    struct span doc = record_doc(r, bytes.p, bytes.n), tail = record_tail(r, bytes.p, bytes.n);

    printf("id         %s\nstate      %s%s\n", id, record_state_name(r, clock_wall_ms()),
           r->cancel_asked ? " (cancel asked)" : "");
    printf("type       %s\nqueue      %s\nrun        %d\n", job_type_name(r->type),
           queue_name(r->queue), r->run);
    printf("attempts   %d spent, %d crashes, parked %d times\n", r->attempts, r->crashes, r->parks);
    show_times(r, clock_wall_ms());
    if (job_state_ended(r->state) && tail.n)
        show_result(tail);
    if (doc.n)
        show_text("document", doc);
}

static int tell_job(struct cli *c, const char *id, struct buf *bytes)
{
    struct buf out = BUF(600u << 20);
    struct record rec;
    enum cli_found found = cli_record(c, id, bytes, &rec);

    if (found != CLI_RECORD_THERE)
        return cli_no_record(id, found);
    if (c->json) {
        write_record(&out, id, &rec, buf_span(bytes));
        printf("%s\n", out.p);
    } else {
        show_record(id, &rec, buf_span(bytes));
    }
    buf_done(&out);
    return CLI_OK;
}

int cli_job(struct cli *c)
{
    struct buf bytes = BUF(512u << 20);
    int status;

    if (c->argc != 1 || cli_has_option(c))
        return cli_usage(c);
    status = tell_job(c, c->argv[0], &bytes);
    buf_done(&bytes);
    return status;
}

/* ---- jobs ---- */

struct listing {
    struct cli *c;
    const char *state, *queue;
    int64_t limit, shown;
    struct cli_table *table;
};

static void list_record(struct listing *l, const char *id, struct span bytes)
{
    struct record r;
    int64_t now = clock_wall_ms();
    const char *state;

    if (!bytes.p || !record_read(bytes.p, bytes.n, &r))
        return;
    state = record_state_name(&r, now);
    if ((l->state && strcmp(l->state, state) != 0) ||
        (l->queue && strcmp(l->queue, queue_name(r.queue)) != 0))
        return;
    l->shown++;
    if (l->c->json) {
        printf("{\"id\":\"%s\",\"state\":\"%s\",\"queue\":\"%s\",\"attempts\":%d,\"submitted_at\":%"
               "lld}\n",
               id, state, queue_name(r.queue), r.attempts, (long long)r.submitted_ms);
        return;
    }
    cli_table_cell(l->table, "%s", id);
    cli_table_cell(l->table, "%s", state);
    cli_table_cell(l->table, "%s", queue_name(r.queue));
    cli_table_cell(l->table, "%d", r.attempts);
    cli_table_cell(l->table, "%s", cli_when(r.submitted_ms, now));
    cli_table_cell(l->table, "%s", cli_when(lies_ahead(&r, now) ? r.due_ms : 0, now));
}

/* Headers only: documents can be large. */
static void list_part(struct listing *l, const struct reply *names)
{
    size_t n = reply_count(names), prefix = strlen(l->c->keys.job);
    char **ids = xcalloc(n + 1, sizeof *ids);

    for (size_t i = 0; i < n; i++) {
        struct span s = reply_span(reply_at(names, i));

        ids[i] = xstrndup(s.p + prefix, s.n - prefix);
    }
    for (size_t i = 0; i < n && l->shown < l->limit; i++) {
        struct redis_args a;

        redis_args_make(&a, "GETRANGE", key_word(l->c->keys.job, ids[i]), 0, RECORD_HEADER - 1);
        list_record(l, ids[i], reply_span(cli_call(l->c, &a)));
    }
    for (size_t i = 0; i < n; i++)
        free(ids[i]);
    free(ids);
}

static void scan_jobs(struct listing *l)
{
    char cursor[32] = "0", pattern[160];

    snprintf(pattern, sizeof pattern, "%s*", l->c->keys.job);
    do {
        const struct reply *r =
            cli_callv(l->c, "SCAN", cursor, "MATCH", pattern, "COUNT", "1000", NULL);
        struct span next = reply_span(reply_at(r, 0));

        if (!r)
            return;
        snprintf(cursor, sizeof cursor, "%.*s", (int)next.n, next.p);
        list_part(l, reply_at(r, 1));
    } while (strcmp(cursor, "0") != 0 && l->shown < l->limit && !l->c->lost);
}

/* A word that no job can have would be an empty list: say so instead. */
static bool good_words(const struct listing *l)
{
    bool state = !l->state || !strcmp(l->state, "delayed");
    bool queue = !l->queue || queue_of(l->queue, strlen(l->queue)) != QUEUE_NONE;

    for (int s = JOB_STATE_NONE + 1; s < JOB_STATE_COUNT && !state; s++)
        state = !strcmp(l->state, job_state_name((enum job_state)s));
    if (!state)
        cli_fail(CLI_USAGE, "%s: unknown state", l->state);
    else if (!queue)
        cli_fail(CLI_USAGE, "%s: unknown queue", l->queue);
    return state && queue;
}

int cli_jobs(struct cli *c)
{
    static const char *const headers[] = {"ID", "STATE", "QUEUE", "ATTEMPTS", "SUBMITTED", "DUE"};
    struct listing l = {.c = c, .limit = 50};
    const char *limit = cli_option(c, "--limit");

    l.state = cli_option(c, "--state");
    l.queue = cli_option(c, "--queue");
    if (c->argc > 0 || (limit && !parse_int64(limit, strlen(limit), 1, 1000000, &l.limit)))
        return cli_usage(c);
    if (!good_words(&l))
        return CLI_USAGE;
    l.table = cli_table_new(c, headers, ARRAY_LEN(headers));
    scan_jobs(&l);
    cli_table_print(l.table);
    if (cli_has_failed(c))
        return cli_fail(CLI_FAILED, "the list is not complete");
    if (l.shown == l.limit)
        fprintf(stderr, "the first %lld; --limit N shows more\n", (long long)l.limit);
    return CLI_OK;
}
