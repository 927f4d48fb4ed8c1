/* validate.h - is an answer the JSON that was asked for?
 *
 * Asked for by the body's response_format (json_object, or json_schema with a schema that the
 * provider enforces, or should: here its keywords that are not known are left out) and by the
 * payload's validate.schema (all of whose keywords were understood at submission).  What is looked
 * at is the text of each choice: message.content, or text.  A choice that calls tools and says
 * nothing is not looked at.  Where validate is asked for, the JSON may stand in a fence or behind
 * thinking (unwrap.h).
 */
#ifndef FLOTILLA_TOGETHER_VALIDATE_H
#define FLOTILLA_TOGETHER_VALIDATE_H

#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/err.h"
#include "worker/together/request.h"

/* Longer texts are not checked, and count as invalid. */
#define VALIDATE_MAX_BYTES ((size_t)4 * 1024 * 1024)

/* Does this request ask for JSON at all? */
bool together_wants_json(const struct together_request *req);
/* answer: a good one (together_reply_read said ERR_NONE).  False: err (kind INVALID_OUTPUT) names
 * the choice, the path in its text, and what was expected.
 * unwrap: as above; else the text must be JSON as it is.
 * structured: where validate is asked for, the value is appended to it: of several choices an array
 * of their values, with null for one that has none (it calls tools, or is nested too deep for a
 * result, JSON_MAX_DEPTH); nothing when there is none at all. */
NODISCARD bool together_validate(const struct together_request *req, struct span answer,
                                 bool unwrap, struct buf *structured, struct err *err);
/* How often it may be asked again: validate.max_retries, or fallback. */
int64_t together_validate_retries(const struct together_request *req, int64_t fallback);
/* The beginning of the text that is not what was asked for, on one line, for a message. */
void together_validate_show(const struct together_request *req, struct span answer, bool unwrap,
                            char *text, size_t size);

#endif
