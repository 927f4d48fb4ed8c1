/* resume_model.c - `flotilla resume --model ID`: routes that were taken out are used again, now.
 *
 * The record is read, changed as the judge would, and handed to health.lua,
 * which takes it unless a worker was quicker: then once more. */
#include <stdio.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/queue/scripts.h"
#include "common/route/health_state.h"
#include "scheduler/cli/cli.h"

enum { TRIES = 5, ROUTES_MAX_KEPT = 512, NAMES_MAX = 16 };

struct found {
    char name[HEALTH_NAME];
    struct health_state state;
};

/* The routes of that model that are out; at most NAMES_MAX. */
static size_t find_routes(struct cli *c, const char *model, const char *provider,
                          struct found list[NAMES_MAX])
{
    const struct reply *r = cli_callv(c, "HGETALL", key(&c->keys, KEY_HEALTH), NULL);
    size_t n = 0;

    for (size_t i = 0; i + 1 < reply_count(r) && n < NAMES_MAX; i += 2) {
        struct span name = reply_span(reply_at(r, i));
        struct found *f = &list[n];
        const char *blank;

        snprintf(f->name, sizeof f->name, "%.*s", (int)name.n, name.p);
        blank = strchr(f->name, ' ');
        if (!blank || strcmp(blank + 1, model) != 0)
            continue;
        if (provider && (strlen(provider) != (size_t)(blank - f->name) ||
                         strncmp(f->name, provider, strlen(provider)) != 0))
            continue;
        if (health_read(reply_span(reply_at(r, i + 1)), &f->state) &&
            f->state.breaker != HEALTH_CLOSED)
            n++;
    }
    return n;
}

/* True when it was taken. */
static bool put_back(struct cli *c, const struct found *f)
{
    struct health_state next = f->state;
    struct buf head = BUF(4096);
    struct redis_args a;
    struct span letters;

    health_put_back(&next, clock_wall_ms());
    health_head_write(&next, &head);
    redis_args_make(&a, "EVAL", script(SCRIPT_HEALTH)->text, 3, key(&c->keys, KEY_HEALTH),
                    key(&c->keys, KEY_ALERTS), key(&c->keys, KEY_ALERTED), ROUTES_MAX_KEPT,
                    INT64_MAX, f->name, "", f->state.seq, buf_span(&head), "clear");
    for (int i = 0; i < 3; i++) /* it is not told: who asks for it knows */
        redis_arg_str(&a, "");
    letters = reply_span(reply_at(cli_call(c, &a), 1));
    buf_done(&head);
    return letters.n == 1 && *letters.p == 'y';
}

int cli_resume_model(struct cli *c, const char *model, const char *provider)
{
    struct found list[NAMES_MAX];
    size_t done = 0, n = 1;

    for (int i = 0; i < TRIES && n > 0 && !cli_has_failed(c); i++) {
        n = find_routes(c, model, provider, list);
        for (size_t k = 0; k < n; k++)
            if (put_back(c, &list[k])) {
                cli_told(c, list[k].name, "resumed");
                done++;
            }
    }
    if (cli_has_failed(c))
        return CLI_FAILED;
    if (n > 0)
        return cli_fail(CLI_FAILED, "%s: its state changes too quickly; try again", model);
    return done ? CLI_OK : cli_fail(CLI_NOT_FOUND, "%s: no route to it is out", model);
}
