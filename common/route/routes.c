/* routes.c - see routes.h.
 *
 * Each route keeps the row of its source and the prices of the catalogue;
 * `model` is computed from both whenever one of them changes.  The id and the
 * provider of a route live as long as the table.  Names in it (replacement,
 * fallbacks) do not, so no caller keeps them beyond one selection.
 *
 * A new kind of source is a value of enum route_source, in order of strength.
 */
#include "common/route/routes.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/hash.h"
#include "common/core/xalloc.h"

static const struct route_price nothing = {-1, -1, -1, -1, IMAGE_NONE, 0};

/* ---- what counts ---- */

static int64_t listed(int64_t told, int64_t catalogue, unsigned given, enum price_bit bit)
{
    return catalogue >= 0 && !(given & (unsigned)bit) ? catalogue : told;
}

static void lay_over(struct route *r)
{
    const struct model *told = &r->told;
    const struct route_price *p = &r->listed;
    struct model m = *told;

    m.in_nanousd = listed(told->in_nanousd, p->in_nanousd, told->given, PRICE_IN);
    m.out_nanousd = listed(told->out_nanousd, p->out_nanousd, told->given, PRICE_OUT);
    m.cached_nanousd = listed(told->cached_nanousd, p->cached_nanousd, told->given, PRICE_CACHED);
    m.image_nanousd = listed(told->image_nanousd, p->image_nanousd, told->given, PRICE_IMAGE);
    if (p->image_unit != IMAGE_NONE && !(told->given & PRICE_IMAGE))
        m.image_unit = p->image_unit;
    if (p->context > 0 && !(told->given & GIVEN_CONTEXT))
        m.context = p->context;
    m.id = r->model.id;
    m.provider = r->model.provider;
    r->model = m;
}

/* Copy the row of a source; the names of the old row are freed. */
static void set_told(struct route *r, const struct model *m, enum route_source source)
{
    model_done(&r->told);
    model_copy(&r->told, m);
    r->source = source;
    r->there = r->provider != NULL;
    lay_over(r);
}

/* To be called after each change. */
static void changed(struct routes *t)
{
    const unsigned texts = TASK_CHAT | TASK_CODE | TASK_COMPLETION;

    t->version++;
    t->least_context = INT64_MAX;
    for (size_t i = 0; i < t->count; i++) {
        const struct model *m = &t->of[i]->model;

        if (t->of[i]->there && (m->tasks & texts) && m->context > 0 &&
            m->context < t->least_context)
            t->least_context = m->context;
    }
}

/* ---- chains ---- */

static size_t slot_of(const char *id, size_t n)
{
    uint64_t h = hash_fnv(HASH_BASIS, id, n);

    return (size_t)(h ^ h >> 32) % ROUTES_SLOTS;
}

static void link_route(struct routes *t, struct route *r)
{
    size_t n = strlen(r->model.id), slot = slot_of(r->model.id, n);
    struct route *head = routes_find(t, r->model.id, n);

    r->other = NULL;
    if (!head) {
        r->next = t->slots[slot];
        t->slots[slot] = r;
        return;
    }
    while (head->other)
        head = head->other;
    head->other = r;
}

/* Rows of the configuration in its order, then the others by age. */
static void link_all(struct routes *t)
{
    const struct model_table *rows = &t->cfg->models;

    memset(t->slots, 0, sizeof t->slots);
    for (size_t i = 0; i < rows->count; i++)
        for (size_t k = 0; k < t->count; k++)
            if (t->of[k]->there && t->of[k]->source == ROUTE_CONFIG &&
                !strcmp(t->of[k]->model.id, rows->rows[i].id) &&
                !strcmp(t->of[k]->model.provider, rows->rows[i].provider))
                link_route(t, t->of[k]);
    for (size_t k = 0; k < t->count; k++)
        if (t->of[k]->there && t->of[k]->source != ROUTE_CONFIG)
            link_route(t, t->of[k]);
    for (unsigned i = 0; i < TASK_COUNT; i++) {
        const struct model *m = model_default(&t->cfg->models, (enum task_bit)(1u << i));

        t->defaults[i] = m ? routes_find(t, m->id, strlen(m->id)) : NULL;
    }
    changed(t);
}

/* The youngest that is none of the configuration's: behind all others. */
static void link_last(struct routes *t, struct route *r)
{
    link_route(t, r);
    changed(t);
}

struct route *routes_find(const struct routes *t, const char *id, size_t n)
{
    struct route *r = t->slots[slot_of(id, n)];

    while (r && (strlen(r->model.id) != n || memcmp(r->model.id, id, n) != 0))
        r = r->next;
    return r;
}

struct route *routes_find_at(const struct routes *t, const char *provider, const char *id, size_t n)
{
    struct route *r = routes_find(t, id, n);

    while (r && strcmp(r->model.provider, provider) != 0)
        r = r->other;
    return r;
}

/* ---- the table ---- */

/* Also one that was removed: its place is kept. */
static struct route *place(struct routes *t, const char *provider, const char *id)
{
    struct route *r;

    for (size_t i = 0; i < t->count; i++)
        if (!strcmp(t->of[i]->model.id, id) && !strcmp(t->of[i]->model.provider, provider))
            return t->of[i];
    if (t->count == ROUTES_MAX)
        return NULL;
    r = xcalloc(1, sizeof *r);
    r->index = (unsigned)t->count;
    r->model.id = xstrdup(id);
    r->model.provider = xstrdup(provider);
    r->listed = nothing;
    t->of[t->count++] = r;
    return r;
}

void routes_configure(struct routes *t, const struct config *cfg)
{
    t->cfg = cfg;
    for (size_t i = 0; i < t->count; i++) {
        struct route *r = t->of[i];
        const struct config_provider *p = config_provider(cfg, r->model.provider);

        if (p)
            r->provider = p;
        if (r->source == ROUTE_CONFIG || !p)
            r->there = false;
    }
    for (size_t i = 0; i < cfg->models.count; i++) {
        const struct model *m = &cfg->models.rows[i];
        struct route *r = place(t, m->provider, m->id);

        if (!r)
            break;
        r->provider = config_provider(cfg, m->provider);
        set_told(r, m, ROUTE_CONFIG);
    }
    link_all(t);
}

struct routes *routes_new(const struct config *cfg)
{
    struct routes *t = xcalloc(1, sizeof *t);

    routes_configure(t, cfg);
    return t;
}

void routes_free(struct routes *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->count; i++) {
        free(t->of[i]->model.id);
        free(t->of[i]->model.provider);
        model_done(&t->of[i]->told);
        free(t->of[i]);
    }
    free(t);
}

/* ---- changes at run time ---- */

static bool same_terms(const struct model *a, const struct model *b)
{
    return a->in_nanousd == b->in_nanousd && a->out_nanousd == b->out_nanousd &&
           a->cached_nanousd == b->cached_nanousd && a->image_nanousd == b->image_nanousd &&
           a->image_unit == b->image_unit && a->context == b->context;
}

bool routes_set_price(struct routes *t, const char *provider, struct span id,
                      const struct route_price *price)
{
    struct route *r = routes_find_at(t, provider, id.p, id.n);
    struct model before;

    if (!r)
        return false;
    before = r->model;
    r->listed = *price;
    lay_over(r);
    if (same_terms(&before, &r->model))
        return false;
    changed(t);
    return true;
}

struct route *routes_add(struct routes *t, const struct model *m, enum route_source source)
{
    struct route *r;
    bool was_there;

    if (!config_provider(t->cfg, m->provider))
        return NULL;
    r = place(t, m->provider, m->id);
    if (!r || (r->there && r->source < source))
        return r;
    r->provider = config_provider(t->cfg, m->provider);
    was_there = r->there;
    set_told(r, m, source);
    if (was_there) /* in its place: a catalogue has hundreds */
        changed(t);
    else if (r->index + 1 == t->count)
        link_last(t, r);
    else
        link_all(t);
    return r;
}

bool routes_remove(struct routes *t, const char *provider, struct span id)
{
    struct route *r = routes_find_at(t, provider, id.p, id.n);

    if (!r || r->source == ROUTE_CONFIG)
        return false;
    r->there = false;
    link_all(t);
    return true;
}
