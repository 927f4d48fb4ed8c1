/* world_sim.c - the simulator of a world, steered over its /_sim paths. */
#include "tests/support/world_private.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARGS_MAX = 32, START_MS = 10000 };

/* The address in "listening http://HOST:PORT" once it is printed, else NULL. */
static char *announced(struct world *w)
{
    static const char sign[] = "listening ";
    char *text = program_out(w->sim), *at = strstr(text, sign), *url = NULL;

    if (at && strchr(at, '\n')) {
        at += sizeof sign - 1;
        url = world_text(w, "%.*s", (int)strcspn(at, " \n"), at);
    }
    free(text);
    return url;
}

void world_start_simulator(struct world *w, const char *const *args)
{
    const char *argv[ARGS_MAX] = {"--listen", "127.0.0.1:0"};

    for (size_t i = 0; args && args[i] && i + 3 < ARGS_MAX; i++)
        argv[i + 2] = args[i];
    w->sim = world_start(w, "together-sim", argv, NULL);
    WAIT_UNTIL(w, START_MS, (w->sim_url = announced(w)));
}

json_t *world_sim(struct world *w, const char *method, const char *path, const char *body)
{
    const char *url = world_text(w, "%s%s", w->sim_url, path);
    struct web_answer a = world_request(w, method, url, body ? world_quoted(w, body) : NULL);

    if (a.status < 200 || a.status > 299)
        world_fail(w, "the simulator answered %d to %s %s: %s", a.status, method, path, a.body);
    return a.n ? world_json(w, a.body) : NULL;
}

static void post(struct world *w, const char *path, const char *fmt, va_list ap)
{
    char *text = NULL;

    if (vasprintf(&text, fmt, ap) < 0)
        abort();
    world_sim(w, "POST", path, text);
    free(text);
}

void world_sim_faults(struct world *w, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    post(w, "/_sim/faults", fmt, ap);
    va_end(ap);
}

void world_hook_rules(struct world *w, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    post(w, "/_sim/hooks", fmt, ap);
    va_end(ap);
}

void world_sim_latency(struct world *w, int ms)
{
    world_sim(w, "POST", "/_sim/latency", world_text(w, "{'ms':%d}", ms));
}

const char *world_hook_url(struct world *w, const char *name)
{
    return world_text(w, "%s/_sim/hook/%s", w->sim_url, name);
}

json_t *world_hooks(struct world *w)
{
    return world_at(world_sim(w, "GET", "/_sim/hooks", NULL), "hooks");
}

json_t *world_sim_ledger(struct world *w)
{
    return world_sim(w, "GET", "/_sim/ledger?items=0", NULL);
}

json_t *world_sim_items(struct world *w)
{
    return world_at(world_sim(w, "GET", "/_sim/ledger", NULL), "items");
}

void world_sim_reset(struct world *w) { world_sim(w, "POST", "/_sim/reset", NULL); }
