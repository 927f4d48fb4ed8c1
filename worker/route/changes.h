/* changes.h - what a new catalogue changes for the models in use; pure.
 *
 *     struct change list[8];
 *     size_t n = changes_find(&in, list, 8);
 *     for ... change_text(&list[i], text)   "the price of openai/gpt-oss-20b at together ..."
 */
#ifndef FLOTILLA_CHANGES_H
#define FLOTILLA_CHANGES_H

#include "common/core/base.h"
#include "common/model/model.h"

enum change_kind { CHANGE_DEARER, CHANGE_UNLISTED };
#define CHANGE_TEXT 512

struct change {
    enum change_kind kind;
    const struct model *known; /* the row in use; borrowed */
    /* DEARER: of the price that rose most, per million tokens (or per image unit) */
    const char *what; /* "input", "output", "cached input", "image" */
    int64_t was_nanousd, is_nanousd;
};

struct changes_in {
    const struct model_table *known;  /* the models in use */
    const struct model_table *before; /* the catalogue before; NULL: not kept */
    const struct model_table *now;
    const char *provider;
    int64_t percent; /* a price that rose by more than this is a change */
};

/* The provider's rows that serve a task and whose price rose since the last catalogue (without one:
 * since the known price), or that are no longer listed (without an earlier catalogue: only the
 * defaults of tasks).  Returns their number; the first max are in ret. */
size_t changes_find(const struct changes_in *in, struct change *ret, size_t max);

const char *change_code(enum change_kind kind); /* of the alert */
void change_text(const struct change *c, char text[CHANGE_TEXT]);

#endif
