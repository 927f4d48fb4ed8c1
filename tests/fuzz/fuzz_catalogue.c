/* fuzz_catalogue.c - a provider's list of models, and what is kept of it, from any bytes.
 *
 * Whatever comes: rows have ids of their own and prices within bounds; what is
 * kept of them is valid JSON and reads back as the same.  The same bytes are a
 * kept catalogue and a run-time route as well. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/xalloc.h"
#include "common/model/model_doc.h"
#include "worker/together/catalogue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "fuzz_catalogue: %s\n", what);
    abort();
}

static bool same(const struct model *a, const struct model *b)
{
    return !strcmp(a->id, b->id) && !strcmp(a->provider, b->provider) && a->tasks == b->tasks &&
           a->in_nanousd == b->in_nanousd && a->out_nanousd == b->out_nanousd &&
           a->cached_nanousd == b->cached_nanousd && a->image_nanousd == b->image_nanousd &&
           a->image_unit == b->image_unit && a->context == b->context;
}

static void check_rows(const struct model_table *t)
{
    must(t->count > 0 && t->count <= CATALOGUE_ROWS_MAX, "count");
    for (size_t i = 0; i < t->count; i++) {
        const struct model *m = &t->rows[i];

        must(*m->id && strlen(m->id) <= MODEL_ID_MAX, "an id");
        must(model_find(t, m->id, strlen(m->id)) == m, "an id comes twice");
        must(m->in_nanousd >= -1 && m->out_nanousd >= -1 && m->cached_nanousd >= -1 &&
                 m->image_nanousd >= -1 && m->context >= 0,
             "a number below its bound");
    }
}

static void check_kept(const struct model_table *t)
{
    struct buf text = BUF((size_t)64 << 20);
    struct model_table again;
    int64_t at = 0;

    catalogue_doc_write(t, "p", 1, &text);
    must(json_valid(text.p, text.n), "what is kept is not valid JSON");
    must(catalogue_doc_read(buf_span(&text), &again, &at) && at == 1, "it is not read back");
    must(again.count == t->count, "rows were lost");
    for (size_t i = 0; i < t->count; i++)
        must(same(&t->rows[i], &again.rows[i]), "a row changed");
    model_table_done(&again);
    buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    CLEANUP(xfree_p) char *bytes = xmalloc(n ? n : 1);
    struct span body = {bytes, n};
    struct model m = MODEL_UNKNOWN;
    struct model_table t = {0};
    struct err err = {0};
    int64_t at;

    memcpy(bytes, data, n);
    if (catalogue_read(body, "p", &t, &err)) {
        check_rows(&t);
        check_kept(&t);
        model_table_done(&t);
    } else {
        must(err.kind == ERR_BAD_ANSWER && err.msg[0], "a refusal says why");
    }
    if (catalogue_doc_read(body, &t, &at))
        model_table_done(&t);
    err.msg[0] = '\0';
    must(model_doc_read(body, &m, &err) || err.msg[0], "a refusal says why");
    model_done(&m);
    return 0;
}
