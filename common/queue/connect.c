/* connect.c - see connect.h.
 *
 * The programs differ in what they do when a connection comes and goes; where it leads to is the
 * same for all of them, and so is written here: a new setting of section `redis` is added to
 * connect_options() and all have it. */
#include "common/queue/connect.h"

#include "common/io/loop.h"

struct redis_options connect_options(const struct config *cfg, const char *client_name)
{
    return (struct redis_options){.url = cfg->redis_url,
                                  .client_name = client_name,
                                  .ca_file = cfg->redis_ca_file[0] ? cfg->redis_ca_file : NULL,
                                  .connect_timeout_ms = cfg->redis_connect_timeout_ms,
                                  .command_timeout_ms = cfg->redis_command_timeout_ms};
}

/* ---- at once ---- */

struct attempt {
    bool failed;
    struct err why;
};

static void on_lost(void *arg, const struct err *why)
{
    struct attempt *a = arg;

    a->failed = true;
    a->why = *why;
}

struct redis *connect_now(struct loop *l, const struct config *cfg, const char *client_name,
                          struct err *err)
{
    static struct attempt attempt; /* as long as the connection, which may be lost later */
    struct redis_options o = connect_options(cfg, client_name);
    struct redis *r;

    attempt = (struct attempt){0};
    o.on_lost = on_lost;
    o.arg = &attempt;
    r = redis_new(l, &o, err);
    while (r && !redis_is_ready(r) && !attempt.failed)
        loop_turn(l, 1000);
    if (!r || redis_is_ready(r))
        return r;
    *err = attempt.why;
    redis_free(r);
    return NULL;
}
