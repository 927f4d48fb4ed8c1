/* route_doc.c - see route_doc.h.
 *
 * What it reads comes out of Redis, where anybody with the password writes: ids are bounded, a
 * provider must be one of the configuration, and an image's price needs its unit, so that no entry
 * can send a key elsewhere or make a call look free.  What it says counts over a catalogue.
 */
#include "common/route/route_doc.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"

static bool check_row(const struct model *m, const struct config *cfg, struct err *err)
{
    if (!m->tasks)
        return err_set(err, ERR_INVALID, "tasks: expected at least one, like [\"chat\"]");
    if (!config_provider(cfg, m->provider))
        return err_set(err, ERR_INVALID, "provider: '%s' is not configured", m->provider);
    if (m->image_nanousd >= 0 && m->image_unit == IMAGE_NONE)
        return err_set(err, ERR_INVALID,
                       "image_usd: expected image_unit (megapixel or piece) beside it");
    return true;
}

/* What it says counts, whatever a catalogue lists. */
static void note_given(struct model *m)
{
    m->given = (m->in_nanousd >= 0 ? PRICE_IN : 0U) | (m->out_nanousd >= 0 ? PRICE_OUT : 0U) |
               (m->cached_nanousd >= 0 ? PRICE_CACHED : 0U) |
               (m->image_nanousd >= 0 ? PRICE_IMAGE : 0U) | (m->context > 0 ? GIVEN_CONTEXT : 0U);
}

bool route_doc_read(struct span id, struct span doc, const struct config *cfg, struct model *ret,
                    struct err *err)
{
    struct model m = MODEL_UNKNOWN;

    if (!model_id_check(id.p, id.n, err))
        return err_wrap(err, "id");
    m.provider = xstrdup("together");
    if (!model_doc_read(doc, &m, err) || !check_row(&m, cfg, err)) {
        model_done(&m);
        return false;
    }
    if (m.id && (strlen(m.id) != id.n || memcmp(m.id, id.p, id.n) != 0)) {
        model_done(&m);
        return err_set(err, ERR_INVALID, "id: expected the same as the field's name, or none");
    }
    free(m.id);
    m.id = xstrndup(id.p, id.n);
    note_given(&m);
    model_fill_impossible(&m);
    *ret = m;
    return true;
}
