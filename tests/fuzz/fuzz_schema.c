/* fuzz_schema.c - any bytes as a schema, a NUL, and a document.
 *
 * Exercises schema*.c.  Nothing may crash or hang, a refusal has a message, and
 * the same question has the same answer twice.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/config/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x)      \
    do {             \
        if (!(x))    \
            abort(); \
    } while (0)

static void ask(const struct schema *s, const char *p, size_t n)
{
    json_t *doc = json_loadb(p, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    struct err err = {0};
    bool ok;

    if (!doc)
        return;
    ok = schema_check(s, doc, &err);
    MUST(ok == (err.kind == ERR_NONE) && ok == (err.msg[0] == 0));
    MUST(schema_check(s, doc, &err) == ok);
    json_decref(doc);
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
    free(text);
    return 0;
}
