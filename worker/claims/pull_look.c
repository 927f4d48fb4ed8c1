/* pull_look.c - reads this worker's active set, and starts what nobody here knows; see pull.c. */
#include <stdlib.h>

#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "worker/claims/pull_private.h"

static bool is_known(const struct pull *u, const char *id)
{
    return u->claimer->ops->has(u->claimer, id) || starts_know(u->starts, id) ||
           ahead_has(u->ahead, id);
}

static void pull_on_active(void *arg, const struct reply *reply, const struct err *err)
{
    struct pull *u = arg;
    size_t n = reply_count(reply), found = 0;
    char **ids;

    (void)err;
    u->claiming = false;
    if (!reply)
        return;
    u->look = false;
    ids = xcalloc(n + 1, sizeof *ids);
    for (size_t i = 0; i < n; i++) {
        struct span id = reply_span(reply_at(reply, i));
        char *text = xstrndup(id.p, id.n);

        if (is_known(u, text))
            free(text);
        else
            ids[found++] = text;
    }
    if (found > 0) {
        log_event(LOG_WARN, "pull.found", "jobs=%zu", found);
        starts_add(u->starts, ids, found, true);
    } else {
        free(ids);
    }
    claimer_kick(u->claimer);
}

void pull_look_send(struct pull *u)
{
    struct redis_args a;

    u->claiming = true;
    redis_args_make(&a, "SMEMBERS", key_word(u->claimer->env->keys.active, u->claimer->env->id));
    redis_send(u->claimer->env->redis, &a, pull_on_active, u);
}
