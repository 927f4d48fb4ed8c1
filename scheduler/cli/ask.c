/* ask.c - what the commands ask Redis, and what they say when it refuses.
 *
 * A call turns the loop until its answer is there, as a command does one thing after the other.
 * A refusal is said once, with the command and the reason in words, and noted in struct cli: the
 * exit status follows from it (main.c), and loops end.  What was refused is unknown, never 0. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/queue/connect.h"
#include "scheduler/cli/cli.h"

enum { SAID_BYTES = 16 << 10 };

bool cli_connect(struct cli *c, struct err *err)
{
    c->loop = c->loop ? c->loop : loop_new();
    c->redis = connect_now(c->loop, c->cfg, "flotilla", err);
    return c->redis != NULL;
}

/* Why Redis refuses, by the first word of its answer. */
static const struct {
    const char *code, *why;
} refusals[] = {
    {"OOM", "it is full"},
    {"READONLY", "it is a replica"},
    {"NOREPLICAS", "too few replicas are connected"},
    {"MISCONF", "its last save to disk failed"},
    {"LOADING", "it still loads its data"},
    {"MASTERDOWN", "it is a replica without its master"},
    {"NOPERM", "this user lacks the right"},
};

void cli_why_refused(const struct err *err, char *text, size_t size)
{
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        if (reply_error(err, refusals[i].code)) {
            snprintf(text, size, "%s (%.300s)", refusals[i].why, err->msg);
            return;
        }
    snprintf(text, size, "%.300s", err->msg);
}

/* True the first time. */
static bool is_new(struct cli *c, const char *text)
{
    if (c->said.n && strstr(c->said.p, text))
        return false;
    if (c->said.n == 0)
        c->said = BUF(SAID_BYTES);
    return buf_printf(&c->said, "%s\n", text);
}

void cli_refused(struct cli *c, const char *command, const struct err *err)
{
    char text[480], why[400];

    if (err->kind == ERR_REDIS_LOST) {
        c->lost = true;
        snprintf(text, sizeof text, "%.400s", err->msg);
    } else {
        c->refused = true;
        cli_why_refused(err, why, sizeof why);
        snprintf(text, sizeof text, "Redis refused %s: %s", command, why);
    }
    if (is_new(c, text))
        cli_fail(CLI_FAILED, "%s", text);
}

int cli_not_done(const struct cli *c, const char *what, const char *done)
{
    return cli_fail(CLI_FAILED, "%s: %s %s", what, c->lost ? "not known whether it is" : "not",
                    done);
}

bool cli_has_failed(const struct cli *c) { return c->refused || c->lost; }

const struct reply *cli_call(struct cli *c, struct redis_args *a)
{
    struct err err = {0};
    const struct reply *reply;
    char name[32];

    if (c->lost) { /* else each of the calls to come waits its whole time out */
        redis_args_done(a);
        return NULL;
    }
    redis_args_name(a, name, sizeof name);
    reply = redis_call(c->redis, a, &err);
    if (!reply)
        cli_refused(c, name, &err);
    return reply;
}

const struct reply *cli_callv(struct cli *c, ...)
{
    struct redis_args a;
    va_list ap;

    va_start(ap, c);
    redis_args_words(&a, ap);
    va_end(ap);
    return cli_call(c, &a);
}

bool cli_number(struct cli *c, int64_t *ret, ...)
{
    const struct reply *reply;
    struct redis_args a;
    va_list ap;

    va_start(ap, ret);
    redis_args_words(&a, ap);
    va_end(ap);
    reply = cli_call(c, &a);
    *ret = reply_int(reply);
    return reply != NULL;
}

enum cli_found cli_record(struct cli *c, const char *id, struct buf *bytes, struct record *rec)
{
    const struct reply *reply;
    struct redis_args a;
    struct span s;

    redis_args_make(&a, "GET", key_word(c->keys.job, id));
    reply = cli_call(c, &a);
    s = reply_span(reply);
    buf_clear(bytes);
    if (!reply)
        return CLI_RECORD_UNKNOWN;
    if (!s.p)
        return CLI_RECORD_NONE;
    if (buf_add_span(bytes, s) && record_read(bytes->p, bytes->n, rec))
        return CLI_RECORD_THERE;
    return CLI_RECORD_NEWER;
}

int cli_no_record(const char *id, enum cli_found found)
{
    if (found == CLI_RECORD_NONE)
        return cli_fail(CLI_NOT_FOUND, "%s: no such job", id);
    if (found == CLI_RECORD_NEWER)
        return cli_fail(CLI_FAILED, "%s: a newer version of flotilla wrote this job", id);
    return cli_fail(CLI_FAILED, "%s: not known, its record could not be read", id);
}

bool cli_intake_is_empty(struct cli *c)
{
    int64_t waiting, taken;

    return cli_number(c, &waiting, "LLEN", key(&c->keys, KEY_INTAKE), NULL) &&
           cli_number(c, &taken, "LLEN", key(&c->keys, KEY_TAKEN), NULL) && waiting + taken == 0;
}
