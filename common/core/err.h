/* err.h - the one way to fail.
 *
 * A fallible function returns bool (or a pointer), is NODISCARD, and takes a
 * `struct err *err` last.  False (NULL) means *err is filled; true means it
 * was not touched.  The kind, never the text, decides what happens next; all
 * kinds are rows of err_kinds.def.  Messages say what was wrong, with the
 * value and what was expected, and never contain a secret or a prompt.
 */
#ifndef FLOTILLA_ERR_H
#define FLOTILLA_ERR_H

#include "common/core/base.h"

enum err_kind {
    ERR_NONE,
#define X(kind, code, class, http, billed, onward, route, text) ERR_##kind,
#include "common/core/err_kinds.def"
    ERR_KIND_COUNT
};

/* What a worker does with a job whose call failed so (see err_kinds.def). */
enum err_class { ERR_CLASS_NONE, ERR_CLASS_FAIL, ERR_CLASS_RETRY, ERR_CLASS_PARK, ERR_CLASS_STOP };

/* Which other route of the job may succeed where this one failed. */
enum err_onward { ERR_ONWARD_STAY, ERR_ONWARD_NEXT, ERR_ONWARD_PROVIDER, ERR_ONWARD_REPLACE };

struct err {
    enum err_kind kind;
    char msg[512]; /* longer texts are cut, ending in "..." */
};

/* Fill *err and return false, so that `return err_set(...)` reads well. */
bool err_set(struct err *err, enum err_kind kind, const char *fmt, ...) PRINTF(3, 4);
/* Put "prefix: " before the message that is there; returns false. */
bool err_wrap(struct err *err, const char *prefix_fmt, ...) PRINTF(2, 3);

const char *err_code(enum err_kind kind); /* "bad_request"; "none" for ERR_NONE */
enum err_class err_class(enum err_kind kind);
int err_http_status(enum err_kind kind);
enum err_onward err_onward(enum err_kind kind);
/* The provider may charge for a call that failed so. */
bool err_may_be_billed(enum err_kind kind);
const char *err_text(enum err_kind kind); /* the table's explanation */
/* The kind with that code, or ERR_NONE. */
enum err_kind err_kind_of(const char *code, size_t n);
/* True for the kinds that the same job may survive (RETRY, PARK, STOP). */
bool err_is_retryable(enum err_kind kind);

#endif
