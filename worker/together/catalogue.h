/* catalogue.h - what a provider's GET /models says: ids, prices, contexts.
 *
 *     struct model_table rows;
 *     if (!catalogue_read(body, "together", &rows, &err)) ...
 *     model_table_done(&rows);
 *
 * Being listed, even with a price, does not mean that a model can be called, so
 * these rows are knowledge, not routes: who may be called is the table's to say.
 */
#ifndef FLOTILLA_TOGETHER_CATALOGUE_H
#define FLOTILLA_TOGETHER_CATALOGUE_H

#include "common/core/base.h"
#include "common/core/err.h"
#include "common/model/model.h"

enum { CATALOGUE_ROWS_MAX = 4096 };

/* A bare array (Together), or {"data": [...]} (OpenAI).  Elements that are no model of ours (no id,
 * audio, video ...) are left out, and so is an id that came before.  Of a row, id, provider, tasks
 * (0: not told), prices (-1: not told), image_unit and context (0: not told) are filled.  False:
 * it is no such list, or nothing in it can be used (ERR_BAD_ANSWER); *ret holds nothing then. */
NODISCARD bool catalogue_read(struct span body, const char *provider, struct model_table *ret,
                              struct err *err);

/* USD per million tokens as a catalogue prints it -> nano-USD; -1 when it is no price.  Prices are
 * floats with their noise: 1.0399999999999998 and 0.15000000596 are 1.04 and 0.15. */
int64_t catalogue_price(struct span number);
/* The same of USD per token, a number or text: "0.00000015" is 150,000,000. */
int64_t catalogue_price_per_token(struct span v);

#endif
