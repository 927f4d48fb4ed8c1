/* log.h - one line per event, logfmt or JSON, on stderr.
 *
 *     log_event(LOG_WARN, "job.retry", "job=%s kind=%s wait_ms=%" PRId64, id, code, ms);
 *
 * `event` is a fixed dotted name found with grep; the rest are key=value pairs
 * in logfmt (values with blanks must be written with %s through log_quote; in
 * JSON unquoted numbers, true and false keep their type).  No pairs: fmt "".
 * Levels: error = someone must act, warn = we coped, info = life of processes,
 * debug = state moves.  Never a key, never a prompt.  Lines are written with
 * one write(2) of at most PIPE_BUF bytes; on a journal stream they begin with
 * their priority "<N>" and carry no time.
 */
#ifndef FLOTILLA_LOG_H
#define FLOTILLA_LOG_H

#include "common/core/base.h"
#include "common/core/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };

void log_setup(const char *program, enum log_level level, enum log_format format);
/* A pair on every line from now on (worker=...); NULL removes it; at most 4. */
void log_context(const char *key, const char *value);
bool log_is_on(enum log_level level);
void log_event(enum log_level level, const char *event, const char *fmt, ...) PRINTF(3, 4);
/* Log err (event, code=..., msg="...") at level. */
void log_err(enum log_level level, const char *event, const struct err *err);
/* A quoted, escaped copy of text without secrets (secret.h), in a rotating static buffer (8 of 1
 * KB): for %s. */
const char *log_quote(const char *text);
const char *log_quote_n(const char *p, size_t n);
enum log_level log_level_of(const char *name, bool *ret_ok);

#endif
