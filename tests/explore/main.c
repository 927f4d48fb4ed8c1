/* main.c - explores the protocol: explore [SECONDS [SCOPE [SEED]]].
 *
 * The real scripts on a private redis-server, called by the programs' own
 * functions, in every order that a few programs with a few jobs allow, with
 * connections and processes lost at every point. Prints what was explored, and
 * the shortest path to a broken rule.  Exit code: 0 no rule is broken, 1 one
 * is, 2 usage.
 *
 *   scopes.def   what is explored         moves.def   what may happen
 *   rules.c      what must hold           outcomes.def, calls.h   what is sent
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/parse.h"
#include "tests/explore/rescue.h"
#include "tests/explore/search.h"
#include "tests/explore/wire.h"

enum { SECONDS = 20, STATES_MAX = 25000000 };

static const struct scope scopes[] = {
#define X(name, jobs, workers, schedulers, share, outcomes, lets, cuts, late, kills, stalls, \
          leases, operators, times, start, money)                                            \
    {name,                                                                                   \
     jobs,                                                                                   \
     workers,                                                                                \
     schedulers,                                                                             \
     share,                                                                                  \
     outcomes,                                                                               \
     {cuts, late, kills, stalls, leases, operators, times, lets},                            \
     start,                                                                                  \
     money},
#include "tests/explore/scopes.def"
};

/* Half of its time breadth first, as far as memory goes; the rest in walks. */
static bool explore(const struct scope *s, int64_t ms, uint64_t seed)
{
    int64_t began_ms = clock_system.mono_us() / 1000, took_ms;
    uint64_t runs = store_runs(), written = rules_written;
    struct found f = {0};

    search(s, began_ms + ms / 2, STATES_MAX, &f);
    took_ms = clock_system.mono_us() / 1000 - began_ms + 1;
    if (!f.whole)
        walk(s, began_ms + ms, seed, &f);
    printf("%-9s %9llu states, depth %d%s, %lld states/s; %llu walks, up to %llu "
           "moves; "
           "%llu moves, %llu scripts run%s\n",
           s->name, (unsigned long long)f.states, f.depth, f.whole ? " (all)" : "",
           (long long)f.states * 1000 / took_ms, (unsigned long long)f.walks,
           (unsigned long long)f.longest, (unsigned long long)f.moves,
           (unsigned long long)(store_runs() - runs), f.broken ? ", BROKEN" : "");
    if (f.overflows)
        printf("          %llu moves led out of the scope\n", (unsigned long long)f.overflows);
    if (rules_written == written && !f.broken)
        printf("          no outcome was ever written: nothing was explored\n");
    fflush(stdout);
    return !f.broken && rules_written > written;
}

int main(int argc, char **argv)
{
    int64_t seconds = SECONDS, seed = 1;
    int shares = 0, met = 0;
    bool good = true;

    if (argc > 4 || (argc > 1 && !parse_int64(argv[1], strlen(argv[1]), 1, 1000000, &seconds)) ||
        (argc > 3 && !parse_int64(argv[3], strlen(argv[3]), 0, INT64_MAX, &seed))) {
        fprintf(stderr, "usage: explore [SECONDS [SCOPE [SEED]]]\n");
        return 2;
    }
    log_setup("explore", LOG_ERROR, LOG_LOGFMT);
    store_open();
    calls_open();
    rescue_open();
    if (!server_start())
        return 1;
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
        if (argc < 3 || !*argv[2] || !strcmp(argv[2], scopes[i].name))
            shares += scopes[i].share;
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
        if (argc > 2 && *argv[2] && strcmp(argv[2], scopes[i].name) != 0)
            continue;
        met++;
        good &= explore(&scopes[i], seconds * 1000 * scopes[i].share / shares, (uint64_t)seed);
    }
    server_stop();
    rescue_close();
    calls_close();
    store_close();
    if (!met)
        fprintf(stderr, "explore: no scope is named %s\n", argv[2]);
    return good && met ? EXIT_SUCCESS : EXIT_FAILURE;
}
