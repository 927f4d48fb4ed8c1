/* routes.h - the live table of routes: which model can be called at which provider.
 *
 *   configuration (models.def under `models:`) ──┐
 *   the provider's catalogue: prices, new ids ───┼──▶ struct routes ──▶ route_select()
 *   fine-tunes at run time (fl:{0}:routes) ──────┘
 *
 * A route is a model at a provider.  It is found by the model's id: the same
 * model at several providers is a chain, the preferred one first.
 *
 * Per route, the configuration file wins over the catalogue, which wins over the
 * built-in row.  Rows of the configuration win over routes that were added at
 * run time.
 *
 * Pointers to routes, and a route's id and provider, stay valid as long as the
 * table, through every reload and removal.  Prices and the rest change with
 * their sources.
 *
 * One process, one thread, one table; no input or output.
 */
#ifndef FLOTILLA_ROUTES_H
#define FLOTILLA_ROUTES_H

#include "common/config/config.h"
#include "common/core/base.h"

enum { ROUTES_MAX = 4096, ROUTES_SLOTS = 1024 };

/* Where a route comes from; the first wins. */
enum route_source { ROUTE_CONFIG, ROUTE_RUNTIME, ROUTE_CATALOGUE };

/* Prices of a catalogue: nano-USD per million tokens, or per image_unit; -1: unknown. */
struct route_price {
    int64_t in_nanousd, out_nanousd, cached_nanousd, image_nanousd;
    enum image_unit image_unit; /* IMAGE_NONE: nothing */
    int64_t context;            /* 0: nothing */
};

struct route {
    struct model model; /* as it counts now; model.id and model.provider never change */
    /* Never NULL: when it is not configured any more, as it was; such a route is not `there`. */
    const struct config_provider *provider;
    enum route_source source;
    unsigned index;      /* dense from 0, never used again: for arrays beside the table */
    bool there;          /* false: removed, or its provider is not configured any more */
    struct route *other; /* the same model at the next provider; NULL: none */
    /* private */
    struct model told; /* by its source, without the catalogue */
    struct route_price listed;
    struct route *next; /* head of another model in the same slot */
};

struct routes {
    struct route *of[ROUTES_MAX]; /* by index; removed ones too */
    size_t count;
    uint64_t version;                   /* one more with each change */
    struct route *defaults[TASK_COUNT]; /* by task_index(); NULL: none */
    int64_t least_context;              /* of the routes for texts; INT64_MAX: none is known */
    const struct config *cfg;
    struct route *slots[ROUTES_SLOTS]; /* private: heads of chains, by the hash of their id */
};

struct routes *routes_new(const struct config *cfg);
void routes_free(struct routes *t);
/* Another configuration counts from now on; both must outlive the table.  Routes that were added
 * and catalogue prices stay. */
void routes_configure(struct routes *t, const struct config *cfg);

/* The chain of a model that may be called or not; NULL: unknown.  Removed routes are in none. */
struct route *routes_find(const struct routes *t, const char *id, size_t n);
struct route *routes_find_at(const struct routes *t, const char *provider, const char *id,
                             size_t n);

/* The catalogue's price of a route.  True when something changed that counts.  Members that are -1
 * leave what is known without a catalogue; what the file gives never changes. */
bool routes_set_price(struct routes *t, const char *provider, struct span id,
                      const struct route_price *price);
/* Add a route, or change one of the same source or a weaker one (m is copied; prices -1: unknown).
 * NULL when m.provider is not configured or the table is full; the configuration's own route,
 * unchanged, when it has that one. */
struct route *routes_add(struct routes *t, const struct model *m, enum route_source source);
/* Take an added one out again; false when there is none (the configuration's are never removed). */
bool routes_remove(struct routes *t, const char *provider, struct span id);

#endif
