/* fuzz_canonical.c - the canonical form of any bytes.
 *
 * It has a form only when it is JSON to jansson too; what jansson writes of it,
 * compact or indented, sorted or not, has the same form, and the hash is the
 * hash of the form.  Numbers that jansson rounds (reals, and integers past 64
 * bits) and names with NULs are not compared.
 */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/model/model.h"
#include "worker/cache/canonical.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "fuzz_canonical: %s\n", what);
    abort();
}

static bool has_reals(const json_t *doc)
{
    const char *name;
    json_t *child;
    size_t i;

    if (json_is_object(doc))
        json_object_foreach ((json_t *)(uintptr_t)doc, name, child)
            if (has_reals(child))
                return true;
    json_array_foreach (doc, i, child)
        if (has_reals(child))
            return true;
    return json_is_real(doc);
}

static void same_form(const json_t *doc, size_t flags, const struct buf *form)
{
    struct buf again = BUF(1 << 22);
    char *text = json_dumps(doc, flags);

    must(text, "jansson cannot write it");
    must(canonical_text(TASK_CHAT, (struct span){text, strlen(text)}, (struct span){0}, &again),
         "rewritten, it has no form");
    must(again.n == form->n && memcmp(again.p, form->p, form->n) == 0,
         "rewritten, it has another form");
    free(text);
    buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct span body = {(const char *)data, size};
    struct buf form = BUF(1 << 22);
    char hex[CANONICAL_HEX], twice[CANONICAL_HEX];
    bool ok = canonical_text(TASK_CHAT, body, (struct span){0}, &form);
    json_t *doc;

    must(canonical_hash(TASK_CHAT, "/x", body, (struct span){0}, hex) == ok,
         "a hash without a form, or a form without a hash");
    if (ok) {
        must(json_valid(body.p, body.n), "a form of what is no JSON");
        must(canonical_hash(TASK_CHAT, "/x", body, (struct span){0}, twice) && !strcmp(hex, twice),
             "two hashes of one body");
        doc = json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
        if (doc && !has_reals(doc)) {
            same_form(doc, JSON_COMPACT, &form);
            same_form(doc, JSON_INDENT(3) | JSON_SORT_KEYS | JSON_ENSURE_ASCII, &form);
        }
        json_decref(doc);
    }
    buf_done(&form);
    return 0;
}
