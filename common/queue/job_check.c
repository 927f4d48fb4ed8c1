/* job_check.c - is this entry of the intake a job, and if not, why?
 *
 *   bytes --size, JSON--> tree --type, schema--> job_read() --rules--> accepted
 *     |                                                                   |
 *     +--- refused: job_who.c                    id, queue, digest -------+
 *
 * The shape of a document is schemas/job.json, embedded at build time; what no
 * schema can say is in job_rules.c.  The tree is for checking only.  What is
 * handed on are spans of the bytes, found by the same job_read() that workers
 * use, so that what was checked is what will be read.
 *
 * A check that lacked memory says nothing about the document: shortage.h.
 *
 * A type that is not built is told before anything else: who asks for one has
 * no use for the rest.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/config/tree.h"
#include "common/core/digest.h"
#include "common/core/json.h"
#include "common/core/parse.h"
#include "common/core/random.h"
#include "common/core/shortage.h"
#include "common/queue/job_parts.h"
#include "common/schema/schema.h"

#define LOAD_FLAGS (JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY)

extern const char asset_schemas_job_json[];

/* Built once per process, by its one thread, and kept. */
static const struct schema *job_schema(void)
{
    static const struct schema *schema;
    struct err err = {0};

    if (!schema)
        schema = schema_new(asset_schemas_job_json, &err);
    assert(schema || shortage_seen()); /* part of the program; test_schema.c builds it too */
    return schema;
}

/* ---- the type ---- */

static bool is_built(enum job_type_id type)
{
    return (job_type_flags(type) & (JOB_PUBLIC | JOB_LATER)) == JOB_PUBLIC;
}

static bool refuse_type(const char *word, enum job_type_id type, struct err *err)
{
    const char *names[JOB_TYPE_COUNT];
    char list[128] = "";
    size_t count = 0;
    const char *near;

    for (enum job_type_id t = JOB_TYPE_NONE + 1; t < JOB_TYPE_COUNT; t++) {
        size_t n = strlen(list);

        if (!is_built(t))
            continue;
        snprintf(list + n, sizeof list - n, "%s%s", count ? ", " : "", job_type_name(t));
        names[count++] = job_type_name(t);
    }
    if (job_type_flags(type) & JOB_LATER)
        return err_set(err, ERR_UNKNOWN_TYPE, "type: '%s' is not built yet; built: %s", word, list);
    near = parse_nearest(word, names, count);
    return err_set(err, ERR_UNKNOWN_TYPE, "type: expected one of %s; got \"%s\"%s%s%s", list, word,
                   near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* A type that is missing or no string is left to the schema. */
static bool check_type(const json_t *root, struct err *err)
{
    const json_t *v = json_object_get(root, "type");
    const char *p = json_string_value(v);
    size_t n = json_string_length(v);
    enum job_type_id type;
    char word[61];

    if (!p)
        return true;
    type = job_type_of(p, n);
    if (is_built(type))
        return true;
    n = n < sizeof word - 1 ? n : sizeof word - 1;
    for (size_t i = 0; i < n; i++)
        word[i] = p[i] > 0x1f && p[i] < 0x7f && p[i] != '"' ? p[i] : '?';
    word[n] = 0;
    return refuse_type(word, type, err);
}

/* ---- what a record needs ---- */

/* Equal documents have equal digests, however their members are ordered and spaced.  Numbers are
 * equal when they are of one kind: 1500 and 1500.0 make two documents. */
static bool make_digest(const json_t *root, char text[DIGEST_TEXT])
{
    char *canonical = json_dumps(root, JSON_SORT_KEYS | JSON_COMPACT);

    if (!canonical)
        return false;
    digest_text((struct span){canonical, strlen(canonical)}, text);
    free(canonical);
    return true;
}

/* In the tree that was checked, numbers beyond jansson's are the nearest ones: other documents may
 * have the same. */
static bool make_exact_digest(struct span doc, char text[DIGEST_TEXT])
{
    json_error_t at;
    json_t *root = tree_load(doc, LOAD_FLAGS, TREE_VERBATIM, NULL, &at);
    bool ok = root && make_digest(root, text);

    json_decref(root);
    return ok;
}

/* Only a producer's id can come again, so only then the digest is ever compared. */
static bool take_id(const json_t *root, bool beyond, struct job_checked *ret, struct err *err)
{
    struct span id = ret->job.id;

    if (!id.p) {
        random_uuid7(ret->id);
        ret->made_id = true;
        memset(ret->digest, '0', sizeof ret->digest - 1);
        return true;
    }
    assert(id.n - 2 <= JOB_ID_MAX); /* the schema's bounds, in plain characters */
    memcpy(ret->id, id.p + 1, id.n - 2);
    return (beyond ? make_exact_digest(ret->job.doc, ret->digest)
                   : make_digest(root, ret->digest)) ||
           err_set(err, ERR_INTERNAL, "document: no digest could be made");
}

/* ---- all of it ---- */

/* Editors and exporters put a byte order mark before a text. */
struct span job_without_mark(struct span doc)
{
    bool marked = doc.n >= 3 && memcmp(doc.p, "\xef\xbb\xbf", 3) == 0;

    return marked ? (struct span){doc.p + 3, doc.n - 3} : doc;
}

static bool check_tree(const json_t *root, bool beyond, const struct job_defaults *d,
                       struct job_checked *ret, struct err *err)
{
    struct span doc = ret->job.doc;

    if (!job_schema() || !check_type(root, err) || !schema_check(job_schema(), root, err))
        return false;
    if (!json_valid(doc.p, doc.n)) /* of the right shape, so it is the depth */
        return err_set(err, ERR_INVALID, "document: nested deeper than %d levels", JSON_MAX_DEPTH);
    if (!job_read(doc, d, &ret->job))
        return err_set(err, ERR_INVALID, "document: a number in it is too long");
    if (!job_rules(root, &ret->job, err) || !take_id(root, beyond, ret, err))
        return false;
    ret->queue = job_queue(ret->job.type, ret->job.priority);
    ret->wants_reply = ret->job.reply;
    return true;
}

/* jansson names the place, and shows up to 20 bytes of the text, whatever they are. */
static bool say_malformed(const json_error_t *at, struct err *err)
{
    char text[sizeof at->text];
    size_t n = strnlen(at->text, sizeof text - 1);

    for (size_t i = 0; i < n; i++)
        text[i] = at->text[i] >= 0x20 && at->text[i] < 0x7f ? at->text[i] : '?';
    text[n] = 0;
    return err_set(err, ERR_INVALID, "not JSON: line %d, column %d, byte %d: %s", at->line,
                   at->column, at->position, text);
}

static bool check_document(const struct job_defaults *d, struct job_checked *ret, struct err *err)
{
    struct span doc = ret->job.doc;
    json_error_t at;
    json_t *root;
    bool ok, beyond;

    if (doc.n == 0)
        return err_set(err, ERR_INVALID, "document: expected an object, got nothing");
    root = tree_load(doc, LOAD_FLAGS, TREE_NEAREST, &beyond, &at);
    if (!root)
        return say_malformed(&at, err);
    ok = json_is_object(root)
             ? check_tree(root, beyond, d, ret, err)
             : (job_schema() && schema_check(job_schema(), root, err)) || err_wrap(err, "document");
    json_decref(root);
    return ok;
}

bool job_check(struct span doc, const struct job_defaults *d, struct job_checked *ret,
               struct err *err)
{
    bool fits = doc.n <= d->max_bytes;

    doc = job_without_mark(doc);
    *ret = (struct job_checked){.job = {.doc = doc}};
    shortage_clear();
    if (!fits)
        err_set(err, ERR_TOO_LARGE, "document: over limits.job_bytes (%zu bytes)", d->max_bytes);
    else if (check_document(d, ret, err))
        return true;
    if (shortage_seen()) {
        *err = (struct err){0};
        return err_set(err, ERR_MEMORY, "document: no memory to check it");
    }
    job_who(doc, ret);
    return false;
}
