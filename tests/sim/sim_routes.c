/* sim_routes.c - which handler answers which path.
 *
 * The base address of a client may end in /v1 or not; both mean the same.
 * Paths of v2 keep their /v2.
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/sim.h"
#include "tests/sim/sim_handlers.h"

static const struct sim_route routes[] = {
#define X(method, path, handler, provider) {method, path, sim_on_##handler, provider},
#include "tests/sim/routes.def"
};

/* Does path fit the pattern?  What {id} or {*} stands for goes to *id. */
static bool fits(const char *pattern, struct span path, struct span *id)
{
    const char *brace = strchr(pattern, '{');
    size_t fixed = brace ? (size_t)(brace - pattern) : strlen(pattern), rest;

    if (path.n < fixed || memcmp(path.p, pattern, fixed) != 0)
        return false;
    if (!brace)
        return path.n == fixed;
    *id = (struct span){path.p + fixed, path.n - fixed};
    if (brace[1] == '*')
        return true;
    pattern = strchr(brace, '}') + 1;
    rest = strlen(pattern);
    if (id->n <= rest || memcmp(id->p + id->n - rest, pattern, rest) != 0)
        return false;
    id->n -= rest;
    return !memchr(id->p, '/', id->n);
}

const struct sim_route *sim_route_find(struct span method, struct span path, struct span *ret_id)
{
    if (path.n > 3 && !memcmp(path.p, "/v1/", 4)) {
        path.p += 3;
        path.n -= 3;
    }
    *ret_id = (struct span){NULL, 0};
    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        if (strlen(routes[i].method) == method.n && !memcmp(routes[i].method, method.p, method.n) &&
            fits(routes[i].path, path, ret_id))
            return &routes[i];
    *ret_id = (struct span){NULL, 0};
    return NULL;
}

const char *sim_routes_help(void)
{
    static char text[4096];
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(routes) && n < sizeof(text); i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "    %-6s %s\n", routes[i].method,
                              routes[i].path);
    return text;
}
