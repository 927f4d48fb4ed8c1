/* schema.h - checks a JSON document against a JSON Schema (2020-12), and says in plain words what
 * is wrong.
 *
 *     payload.messages[0].role: expected one of system, user, assistant, tool; got "bot"
 *     priorty: unknown field; did you mean 'priority'?
 *
 * Supported keywords, with the standard's meaning:
 *
 *   any value   type (a name or a list of names), enum, const
 *   strings     minLength, maxLength (code points), pattern (see pattern.h)
 *   numbers     minimum, maximum, exclusiveMinimum, exclusiveMaximum
 *   arrays      items, minItems, maxItems
 *   objects     properties, required, additionalProperties, patternProperties, maxProperties
 *   combining   allOf, anyOf, oneOf, not, if, then, else, $ref ("#/$defs/NAME"), $defs,
 *               true and false as schemas
 *   ignored     $schema, $id, title, description, examples, default, format
 *
 * Any other keyword is an error of schema_new(): nothing is skipped silently.  `integer` is a
 * number without a fraction, however it is written: 3.0 and 3e0 are integers.  Three things differ
 * from the standard:
 *
 *   - a real is an integer only within +-9e15, as for json_read_int();
 *   - a $comment beside a keyword that fails replaces our message; when it starts with
 *     "expected", the value is added: `run_at: expected ..., got 5`;
 *   - a document nested deeper than SCHEMA_MAX_DEPTH where the schema looks is refused, and
 *     one that takes more than SCHEMA_MAX_NODES steps (alternatives of alternatives are
 *     exponential, and so are patterns that backtrack): no schema and no document can hold up
 *     the process.
 *
 * Schemas of users (schema_new_theirs) are read by the standard: 1 equals 1.0, and a $comment has
 * no effect.  They have more keywords:
 *
 *   multipleOf, uniqueItems, minProperties, prefixItems, definitions and "#/definitions/NAME" (as
 *   $defs), "$ref": "#", both kinds of bound on one side; ignored: deprecated, readOnly, writeOnly
 *
 * and lower limits: SCHEMA_THEIRS_BYTES, SCHEMA_THEIRS_STEPS.  A $ref that leads back to itself
 * with the same value is an error.
 *
 * schema_new() prepares everything: the check of a document of 300 bytes takes about two
 * microseconds.
 */
#ifndef FLOTILLA_SCHEMA_H
#define FLOTILLA_SCHEMA_H

#include "common/core/base.h"
#include "common/core/err.h"

#define SCHEMA_MAX_DEPTH 128
#define SCHEMA_MAX_NODES 4000000

struct json_t;
struct schema;

/* Read a schema.  NULL with err (kind CONFIG) when it is not JSON or has an unknown keyword. */
struct schema *schema_new(const char *json_text, struct err *err);
/* A schema of a user.  lenient: keywords that are unknown or have an invalid value are left out, and
 * the rest decides; NULL only when it is not JSON or too large. */
#define SCHEMA_THEIRS_BYTES 65536
#define SCHEMA_THEIRS_STEPS 1000000
struct schema *schema_new_theirs(struct span json_text, bool lenient, struct err *err);
void schema_free(struct schema *s); /* NULL is fine */
/* Memory of its compiled patterns.  Beyond SCHEMA_PATTERN_BYTES a schema may have no more of them. */
#define SCHEMA_PATTERN_BYTES (8 << 20)
size_t schema_pattern_bytes(const struct schema *s);

/* Check doc (borrowed).  False: err (kind INVALID) has path, expectation and value; values and
 * names are escaped and cut at SCHEMA_SHOWN_MAX characters. */
#define SCHEMA_SHOWN_MAX 60
NODISCARD bool schema_check(const struct schema *s, const struct json_t *doc, struct err *err);

#endif
