/* fuzz_schema.c - any bytes as a schema, a NUL, and a document.
 *
 * Exercises schema*.c and pattern*.c, with the bytes as a schema of ours and of
 * somebody else, strict and lenient.  Nothing may crash or hang, a refusal has a
 * message, the same question has the same answer twice, and what a strict schema
 * takes, the lenient one takes as well.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/schema/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x)      \
    do {             \
        if (!(x))    \
            abort(); \
    } while (0)

static bool ask(const struct schema *s, const char *p, size_t n)
{
    json_t *doc = json_loadb(p, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    struct err err = {0};
    bool ok;

    if (!doc)
        return false;
    ok = schema_check(s, doc, &err);
    MUST(ok == (err.kind == ERR_NONE) && ok == (err.msg[0] == 0));
    MUST(schema_check(s, doc, &err) == ok);
    json_decref(doc);
    return ok;
}

static bool ask_theirs(struct span schema, bool lenient, const char *doc, size_t n)
{
    struct err err = {0};
    struct schema *s = schema_new_theirs(schema, lenient, &err);
    bool ok = s && doc && ask(s, doc, n);

    MUST((s != NULL) == (err.kind == ERR_NONE) && (s != NULL) == (err.msg[0] == 0));
    schema_free(s);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = memchr(data, 0, size);
    size_t n = nul ? (size_t)(nul - data) : size;
    char *text = strndup((const char *)data, n);
    struct err err = {0};
    struct schema *s;

    MUST(text);
    s = schema_new(text, &err);
    if (!s)
        MUST(err.kind == ERR_CONFIG && err.msg[0]);
    else if (nul)
        ask(s, (const char *)nul + 1, size - n - 1);
    schema_free(s);
    {
        const struct span theirs = {text, n};
        const char *doc = nul ? (const char *)nul + 1 : NULL;
        size_t doc_n = nul ? size - n - 1 : 0;

        if (ask_theirs(theirs, false, doc, doc_n))
            MUST(ask_theirs(theirs, true, doc, doc_n));
        else
            (void)ask_theirs(theirs, true, doc, doc_n);
    }
    free(text);
    return 0;
}
