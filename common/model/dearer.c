/* dearer.c - see dearer.h. */
#include "common/model/dearer.h"

#include <string.h>

#include "common/core/xalloc.h"

/* True when one of a's prices was lower than that of b; they are b's then. */
static bool raise(struct model *a, const struct model *b)
{
    bool any = b->in_nanousd > a->in_nanousd || b->out_nanousd > a->out_nanousd ||
               b->image_nanousd > a->image_nanousd;

    a->in_nanousd = max64(a->in_nanousd, b->in_nanousd);
    a->out_nanousd = max64(a->out_nanousd, b->out_nanousd);
    a->image_nanousd = max64(a->image_nanousd, b->image_nanousd);
    if (a->image_unit == IMAGE_NONE)
        a->image_unit = b->image_unit;
    return any;
}

static void add_row(struct model_table *t, const struct model *m)
{
    t->rows = xrealloc(t->rows, (t->count + 1) * sizeof *t->rows);
    model_copy(&t->rows[t->count++], m);
}

void dearer_add(struct model_table *ret, const struct model_table *now,
                const struct model_table *before)
{
    for (size_t i = 0; i < before->count; i++) {
        const struct model *was = &before->rows[i];
        const struct model *is = model_find(now, was->id, strlen(was->id));
        const struct model *had = model_find(ret, was->id, strlen(was->id));
        struct model m = is ? *is : *was; /* borrows its texts */

        if (had)
            (void)raise(&ret->rows[had - ret->rows], was);
        else if (raise(&m, was) || !is)
            add_row(ret, &m);
    }
}
