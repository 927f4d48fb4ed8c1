/* cli.h - what the commands of `flotilla` share.
 *
 * Data goes to stdout, messages to stderr.  Tables for people, `--json` for
 * programs (one JSON value, or one per line where a command streams).
 * Exit codes: 0 ok, 1 failure, 2 usage, 3 the job failed (wait), 4 not found,
 * 69 Redis is unreachable, 78 bad configuration.
 * A new command is one row of commands.def and one function. */
#ifndef FLOTILLA_CLI_H
#define FLOTILLA_CLI_H

#include <jansson.h>
#include <stdio.h>

#include "common/config/config.h"
#include "common/core/err.h"
#include "common/io/loop.h"
#include "common/io/redis.h"
#include "common/queue/job.h"
#include "common/queue/keys.h"

enum {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_JOB_FAILED = 3,
    CLI_NOT_FOUND = 4,
    CLI_UNREACHABLE = 69,
    CLI_CONFIG = 78
};
enum { CLI_REDIS = 1, CLI_ALONE = 2 };

struct cli {
    struct config *cfg;
    struct loop *loop;
    struct redis *redis; /* NULL without CLI_REDIS */
    struct keys keys;
    struct job_defaults defaults;
    bool json;
    bool refused;    /* Redis answered a command with an error, which was printed */
    bool lost;       /* its connection ended while it was asked */
    struct buf said; /* what was printed of that, once each */
    int argc;        /* arguments behind the command's name */
    char **argv;
    const char *command;
};

#define X(symbol, name, args, flags, text) int cli_##symbol(struct cli *c);
#include "scheduler/cli/commands.def"

/* resume_model.c: of one provider, or of all (NULL). */
int cli_resume_model(struct cli *c, const char *model, const char *provider);

/* ---- arguments ---- */
/* `--name VALUE` or `--name=VALUE`: removes it from argv and returns VALUE; NULL when absent. */
const char *cli_option(struct cli *c, const char *name);
bool cli_flag(struct cli *c, const char *name); /* the same without a value */
/* True when an option is left that nobody took ("--" starts it, or "-" and one letter). */
bool cli_has_option(const struct cli *c);
int cli_usage(const struct cli *c); /* prints the command's usage to stderr; returns 2 */
/* A message on stderr, "flotilla: ..."; returns status. */
int cli_fail(int status, const char *fmt, ...) PRINTF(2, 3);

/* ---- Redis (ask.c) ---- */
NODISCARD bool cli_connect(struct cli *c, struct err *err);
/* The reply of a command, valid until the next one; NULL when it failed, which was printed.  Once
 * the connection is lost nothing more is asked. */
const struct reply *cli_call(struct cli *c, struct redis_args *a);
const struct reply *cli_callv(struct cli *c, ...)
    __attribute__((sentinel)); /* NUL-terminated words, then NULL */
/* The integer that such a command answers; false (and 0): it is not known. */
NODISCARD bool cli_number(struct cli *c, int64_t *ret, ...) __attribute__((sentinel));
/* Print and note what Redis refused, or that it was lost; for calls that do not go by cli_call. */
void cli_refused(struct cli *c, const char *command, const struct err *err);
/* "noop: not paused", behind the reason, which was printed; returns the exit status. */
int cli_not_done(const struct cli *c, const char *what, const char *done);
/* "it is full (OOM ...)". */
void cli_why_refused(const struct err *err, char *text, size_t size);
/* Something was refused, or the connection is lost: what is known is not all. */
bool cli_has_failed(const struct cli *c);
enum cli_found {
    CLI_RECORD_THERE,
    CLI_RECORD_NONE,
    CLI_RECORD_NEWER,  /* not readable */
    CLI_RECORD_UNKNOWN /* Redis refused */
};
/* The record of a job: malloc'd bytes, header in *rec. */
enum cli_found cli_record(struct cli *c, const char *id, struct buf *bytes, struct record *rec);
/* Say why there is none; returns the exit status. */
int cli_no_record(const char *id, enum cli_found found);
/* Nothing waits to become a job; false when that is not known. */
bool cli_intake_is_empty(struct cli *c);

/* live.c: the table of routes as the workers have it, for routes_free().  Connects when that was
 * not done; without Redis it is the configuration's (told on stderr). */
struct routes;
struct routes *cli_live_routes(struct cli *c);

/* ---- output ---- */
/* A table: cells are added row by row; printed with aligned columns.  Numbers are right-aligned.
 * With --json there is none: NULL, of which cells and printing are nothing. */
struct cli_table;
struct cli_table *cli_table_new(const struct cli *c, const char *const *headers, size_t columns);
void cli_table_cell(struct cli_table *t, const char *fmt, ...) PRINTF(2, 3);
void cli_table_number(struct cli_table *t, bool known, int64_t n); /* "?" when it is not */
json_t *cli_json_number(bool known, int64_t n);                    /* null */
void cli_table_print(struct cli_table *take_table);
void cli_print_json(json_t *take_value);
/* The table, or with --json the value. */
void cli_print(const struct cli *c, struct cli_table *take_table, json_t *take_value);
/* "ID  OUTCOME": what became of a job, a queue or a key. */
void cli_told(const struct cli *c, const char *id, const char *outcome);
/* "3 s ago", "in 2 min": rotating static buffers. */
const char *cli_when(int64_t ms, int64_t now_ms);
const char *cli_duration(int64_t ms);
/* nano-USD as "$0.001234". */
const char *cli_usd(int64_t nanousd);

/* ---- text (fold.c) ---- */
bool cli_stderr_is_terminal(void);
bool cli_stdout_is_terminal(void);
int cli_columns(void); /* of the terminal; 80 when there is none */
/* From column `at`, where the cursor is, to the end of a line; folded at `width` columns. */
void cli_fold(FILE *to, int at, int width, struct span text);
void cli_put_words(FILE *to, int at, const char *text); /* at 80 columns */
/* One line, whatever is in it: a line feed is a blank. */
void cli_put_line(struct span text);
/* On stdout: folded on a terminal, else one line. */
void cli_put_text(int at, struct span text);
/* The answer's text in a result document: of the first choice; false when it has none. */
bool cli_answer_text(struct span result, struct buf *text);

#endif
