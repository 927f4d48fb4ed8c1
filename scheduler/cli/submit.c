/* submit.c - `flotilla submit`: checked here, pushed to intake, optionally waited for.
 *
 * A document without an id gets one, so that it can be waited for.  Faulty
 * documents are told with their line and not pushed; the others are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/tree.h"
#include "common/core/random.h"
#include "common/core/xalloc.h"
#include "scheduler/cli/cli.h"
#include "scheduler/cli/waiting.h"

enum { PUSH_JOBS = 256, PUSH_BYTES = 1 << 20, LINE_MAX_BYTES = 128 << 20, IDS_SHOWN = 10 };

struct submission {
    struct cli *c;
    struct cli_waiting *waiting; /* NULL without --wait */
    struct redis_args push;
    struct buf ids; /* of the push: "ID\n"... */
    size_t line, pushed, faulty;
    bool failed;
};

static void begin_push(struct submission *s)
{
    redis_args_init(&s->push);
    redis_args_add(&s->push, "LPUSH", key(&s->c->keys, KEY_INTAKE));
}

/* The ids of the push: pushed they are jobs, or will be. */
static void print_ids(const struct submission *s)
{
    for (char *id = s->ids.p, *end = id + s->ids.n; id < end; id += strlen(id) + 1)
        if (s->c->json)
            printf("{\"id\":\"%s\"}\n", id);
        else
            puts(id);
}

/* It was refused as a whole, or nobody knows whether it arrived. */
static void say_failed(const struct submission *s, size_t n)
{
    size_t shown = 0;

    cli_fail(CLI_FAILED, "%zu document%s: %s", n, n == 1 ? "" : "s",
             s->c->lost ? "not known whether submitted; it is safe to submit the same ids again"
                        : "not submitted");
    for (const char *id = s->ids.p, *end = id + s->ids.n; id < end; id += strlen(id) + 1)
        if (shown++ < IDS_SHOWN)
            cli_fail(CLI_FAILED, "  %s", id);
    if (shown > IDS_SHOWN)
        cli_fail(CLI_FAILED, "  and %zu more", shown - IDS_SHOWN);
}

static void push(struct submission *s)
{
    size_t n = s->push.count - 2;

    if (n == 0 || s->failed)
        return;
    if (!cli_call(s->c, &s->push)) {
        s->failed = true;
        say_failed(s, n);
    } else {
        s->pushed += n;
        if (!s->waiting)
            print_ids(s);
    }
    buf_clear(&s->ids);
    begin_push(s);
    if (s->waiting)
        cli_waiting_progress(s->waiting, false);
    else if (cli_stderr_is_terminal() && s->pushed >= 1000)
        fprintf(stderr, "\r%zu pushed", s->pushed);
}

/* {"a":1} -> {"id":"...","a":1} */
static void with_id(struct span doc, const char *id, struct buf *out)
{
    const char *brace = memchr(doc.p, '{', doc.n);
    size_t at = (size_t)(brace - doc.p) + 1;
    size_t next = at + strspn(doc.p + at, " \t\r\n");

    buf_clear(out);
    buf_add(out, doc.p, at);
    buf_printf(out, "\"id\":\"%s\"%s", id, doc.p[next] == '}' ? "" : ",");
    buf_add(out, doc.p + at, doc.n - at);
}

static void submit_one(struct submission *s, struct span doc)
{
    struct job_checked checked;
    struct err err = {0};
    struct buf text = BUF(LINE_MAX_BYTES);

    if (!job_check(doc, &s->c->defaults, &checked, &err)) {
        cli_fail(1, "line %zu: %s", s->line, err.msg);
        s->faulty++;
        return;
    }
    if (checked.made_id)
        with_id(doc, checked.id, &text);
    else
        buf_add_span(&text, doc);
    if (text.n > s->c->defaults.max_bytes) {
        cli_fail(1, "line %zu: document: with an id it is larger than limits.job_bytes (%zu bytes)",
                 s->line, s->c->defaults.max_bytes);
        s->faulty++;
        buf_done(&text);
        return;
    }
    redis_arg_span(&s->push, buf_span(&text));
    buf_done(&text);
    buf_add(&s->ids, checked.id, strlen(checked.id) + 1);
    if (s->waiting)
        cli_waiting_add(s->waiting, checked.id, checked.made_id ? "" : checked.digest);
    if (s->push.count - 2 >= PUSH_JOBS || s->push.bytes.n >= PUSH_BYTES)
        push(s);
}

static bool is_blank(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!memchr(" \t\r\n", p[i], 4))
            return false;
    return true;
}

/* A file is one document over several lines, or one per line. */
static bool is_one_document(const char *p, size_t n)
{
    json_error_t e;
    json_t *doc = tree_load(job_without_mark((struct span){p, n}), 0, TREE_NEAREST, NULL, &e);

    json_decref(doc);
    return doc != NULL;
}

static void submit_lines(struct submission *s, const char *p, size_t n)
{
    for (const char *end = p + n; p < end && !s->failed;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        size_t len = (size_t)((nl ? nl : end) - p);

        s->line++;
        if (!is_blank(p, len))
            submit_one(s, (struct span){p, len});
        p += len + (nl != NULL);
    }
}

static void submit_text(struct submission *s, const char *p, size_t n)
{
    if (is_one_document(p, n)) {
        s->line++;
        submit_one(s, (struct span){p, n});
    } else {
        submit_lines(s, p, n);
    }
}

/* A first line that is no document may begin one over several lines, so more is read: all, or more
 * than any document may have. */
static ssize_t submit_first(struct submission *s, FILE *f, char **line, size_t *cap, ssize_t n)
{
    struct buf text = BUF(LINE_MAX_BYTES);

    do
        buf_add(&text, *line, (size_t)n);
    while (text.n <= s->c->defaults.max_bytes && (n = getline(line, cap, f)) > 0);
    if (text.n > s->c->defaults.max_bytes) {
        submit_lines(s, text.p, text.n);
        n = getline(line, cap, f);
    } else {
        submit_text(s, text.p, text.n);
    }
    buf_done(&text);
    return n;
}

static void submit_stream(struct submission *s, FILE *f)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    while ((n = getline(&line, &cap, f)) > 0 && is_blank(line, (size_t)n))
        s->line++;
    if (n > 0 && !is_one_document(line, (size_t)n))
        n = submit_first(s, f, &line, &cap, n);
    for (; n > 0 && !s->failed; n = getline(&line, &cap, f))
        submit_lines(s, line, (size_t)n);
    free(line);
}

static bool read_input(struct submission *s, const char *file)
{
    bool read;
    FILE *f;

    if (!file && s->c->argc > 0) {
        for (int i = 0; i < s->c->argc; i++)
            submit_text(s, s->c->argv[i], strlen(s->c->argv[i]));
        return true;
    }
    f = !file || !strcmp(file, "-") ? stdin : fopen(file, "re");
    if (!f) {
        cli_fail(1, "%s: cannot be opened", file);
        return false;
    }
    submit_stream(s, f);
    read = !ferror(f);
    if (!read)
        cli_fail(1, "%s: cannot be read%s", f == stdin ? "stdin" : file,
                 s->pushed ? " to its end" : "");
    if (f != stdin)
        fclose(f);
    return read;
}

int cli_submit(struct cli *c)
{
    struct submission s = {.c = c, .ids = BUF(1 << 20)};
    const char *file = cli_option(c, "-f");
    bool stream = cli_flag(c, "--stream"), wait = cli_flag(c, "--wait") || stream;
    int status = CLI_OK;

    if (cli_has_option(c) || (file && c->argc > 0))
        return cli_usage(c);
    if (wait)
        s.waiting = cli_waiting_new(c);
    begin_push(&s);
    s.failed = !read_input(&s, file);
    push(&s);
    redis_args_done(&s.push);
    buf_done(&s.ids);
    if (cli_stderr_is_terminal() && s.pushed >= 1000)
        fputc('\n', stderr);
    if (s.failed) {
        cli_waiting_free(s.waiting);
        return CLI_FAILED;
    }
    if (s.waiting && stream && cli_waiting_count(s.waiting) == 1)
        status = cli_waiting_read(s.waiting, -1);
    else if (s.waiting)
        status = cli_waiting_finish(s.waiting, -1);
    return s.faulty ? CLI_FAILED : status;
}
