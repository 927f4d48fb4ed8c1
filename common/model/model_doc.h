/* model_doc.h - one model as JSON: as catalogues are kept, and as routes are added at run time.
 *
 *     {"provider": "together", "tasks": ["chat"], "input_usd": 0.15, "output_usd": 0.6,
 *      "cached_usd": 0.03, "image_usd": 0.04, "image_unit": "megapixel", "context": 131072}
 *
 * The members are those of an item of `models:` in the configuration and mean
 * the same; in a catalogue `id` is among them.  A member that is null is not there.
 */
#ifndef FLOTILLA_MODEL_DOC_H
#define FLOTILLA_MODEL_DOC_H

#include "common/core/buf.h"
#include "common/core/err.h"
#include "common/model/model.h"

/* The object: id, provider, tasks, and of prices, unit and context what is known. */
void model_doc_write(const struct model *m, struct buf *out);
/* Members that are there are set in m (whose texts are its own), the others stay.  False: unknown
 * member, wrong type or out of bounds (ERR_INVALID, "input_usd: expected ..."); m may be changed.
 */
NODISCARD bool model_doc_read(struct span doc, struct model *m, struct err *err);

/* Parts of that object, for the configuration's text: one set as a list of names, and of the prices
 * (with image_unit) those that are known. */
void model_doc_add_set(struct buf *out, const char *name, const struct model_set *set,
                       unsigned bits);
void model_doc_add_prices(struct buf *out, const struct model *m);

/* A kept catalogue: {"provider": "together", "fetched_at": ms, "models": [...]}. */
void catalogue_doc_write(const struct model_table *t, const char *provider, int64_t fetched_ms,
                         struct buf *out);
/* Rows that cannot be read are left out.  False: it is no such document; *ret holds nothing. */
NODISCARD bool catalogue_doc_read(struct span doc, struct model_table *ret,
                                  int64_t *ret_fetched_ms);
/* Adds {"dearer_at": ms, "dearer": [...]} to the object in doc: see dearer.h. */
void catalogue_doc_add_dearer(struct buf *doc, const struct model_table *t, int64_t at_ms);
/* False: it has none; *ret holds nothing. */
NODISCARD bool catalogue_doc_read_dearer(struct span doc, struct model_table *ret,
                                         int64_t *ret_at_ms);

#endif
