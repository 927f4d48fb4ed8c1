/* overlay.c - see overlay.h.
 *
 * A model that only a catalogue lists is never chosen automatically.  It is still
 * called when a job names it. */
#include "common/route/overlay.h"

#include <string.h>

#include "common/route/route_doc.h"

/* Without a price of cached tokens, they cost as much as others. */
static struct route_price price_of(const struct model *row)
{
    return (struct route_price){.in_nanousd = row->in_nanousd,
                                .out_nanousd = row->out_nanousd,
                                .cached_nanousd = row->cached_nanousd >= 0 ? row->cached_nanousd
                                                                           : row->in_nanousd,
                                .image_nanousd = row->image_nanousd,
                                .image_unit = row->image_unit,
                                .context = row->context};
}

/* Is the model configured or added, at any provider? */
static bool is_known(const struct route *chain)
{
    for (; chain; chain = chain->other)
        if (chain->source != ROUTE_CATALOGUE)
            return true;
    return false;
}

/* True when a price or a context changed, or the route is new. */
static bool lay(struct routes *t, struct model *row)
{
    struct span id = {row->id, strlen(row->id)};
    const struct route *r = routes_find_at(t, row->provider, id.p, id.n);
    struct route_price price = price_of(row);

    if (r && r->source != ROUTE_CATALOGUE)
        return routes_set_price(t, row->provider, id, &price);
    row->allowed = !is_known(routes_find(t, id.p, id.n));
    row->routed = false;
    routes_add(t, row, ROUTE_CATALOGUE);
    return !r;
}

static void drop_unlisted(struct routes *t, const char *provider, const struct model_table *rows)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct route *r = t->of[i];
        struct span id = {r->model.id, strlen(r->model.id)};

        if (r->there && r->source == ROUTE_CATALOGUE && !strcmp(r->model.provider, provider) &&
            !model_find(rows, id.p, id.n))
            routes_remove(t, provider, id);
    }
}

void overlay_dearer(struct routes *t, struct model_table *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        (void)lay(t, &rows->rows[i]);
}

size_t overlay_catalogue(struct routes *t, const char *provider, struct model_table *rows)
{
    size_t changed = 0;

    for (size_t i = 0; i < rows->count; i++)
        if (!strcmp(rows->rows[i].provider, provider))
            changed += lay(t, &rows->rows[i]);
    drop_unlisted(t, provider, rows);
    return changed;
}

bool overlay_route(struct routes *t, struct span id, struct span doc, struct err *err)
{
    const struct route *r;
    struct model row;

    if (!route_doc_read(id, doc, t->cfg, &row, err))
        return false;
    r = routes_add(t, &row, ROUTE_RUNTIME);
    model_done(&row);
    if (!r)
        return err_set(err, ERR_MEMORY, "there are %d routes already", ROUTES_MAX);
    return r->source != ROUTE_CONFIG ||
           err_set(err, ERR_INVALID, "the configuration has this model at %s, and counts",
                   r->model.provider);
}
