/* unwrap.h - the JSON value that is the answer in the text of a model.
 *
 * Models without response_format write their JSON into a Markdown fence, think aloud before it, and
 * put sentences around it.  The answer is, in this order:
 *
 *   1. the text itself, if it is one JSON value (a byte order mark and white space do not count);
 *   2. the same of what follows the thinking: behind the last closing tag that is in no value.
 *      Tags are <think>, <thinking>, <thought>, <reasoning> and [THINK]; the opening one may be
 *      missing (it was part of the prompt);
 *   3. there, the value in the last fence ``` that holds JSON: one that says json, or that says js
 *      or nothing and begins with { or [.  Only comments may stand beside the value.  The closing
 *      ``` may be missing at the end of the text (it was a stop sequence);
 *   4. without such a fence, the one object or array that stands on lines of its own.
 *
 * There is none where it is not clear which value is meant: the thinking has no end, the last fence
 * is no JSON, a value stands inside and another outside of a fence, or two stand outside.
 */
#ifndef FLOTILLA_TOGETHER_UNWRAP_H
#define FLOTILLA_TOGETHER_UNWRAP_H

#include "common/core/base.h"

/* A part of text, which is UTF-8: one value that json_valid() takes; {NULL, 0}: none, or unclear.
 * Takes time that is linear in the text. */
struct span together_unwrap(struct span text);

#endif
