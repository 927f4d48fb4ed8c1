/* hooks.c - see hooks.h.
 *
 *   closed --BREAK_AFTER failures in a row--> open --pause over--> one probe --ok--> closed
 *                                               ^                      | failed
 *                                               +--- twice the pause --+
 */
#include "worker/webhook/hooks.h"

#include <stdlib.h>

#include "common/core/clock.h"
#include "common/core/hash.h"
#include "common/core/log.h"
#include "common/core/random.h"
#include "common/core/xalloc.h"
#include "common/io/http_client.h"
#include "worker/env.h"

enum {
    BREAK_AFTER = 5,
    PAUSE_MIN_MS = 1000,
    PAUSE_MAX_MS = 60000,
    BUSY_MS = 200,
    BUSY_MAX_MS = 10000,
    HOSTS_MAX = 4096
};

struct host {
    char *name;
    int64_t under_way;
    int64_t
        turned_away; /* grows with those that wait for their turn, falls with each that gets it */
    int failures;    /* in a row */
    int64_t pause_ms, open_until_ms;
    UT_hash_handle hh;
};

struct allowed {
    struct http_networks *list; /* NULL: none */
    struct allowed *before;
};

struct hooks {
    const struct env *env;
    struct host *hosts;
    struct allowed *allowed;
};

struct hooks *hooks_new(const struct env *env)
{
    struct hooks *h = xcalloc(1, sizeof *h);

    h->env = env;
    return h;
}

static void hooks_forget(struct hooks *h, struct host *t)
{
    HASH_DEL(h->hosts, t);
    free(t->name);
    free(t);
}

void hooks_free(struct hooks *h)
{
    struct host *t, *tmp;

    if (!h)
        return;
    HASH_ITER(hh, h->hosts, t, tmp) { hooks_forget(h, t); }
    while (h->allowed) {
        struct allowed *a = h->allowed;

        h->allowed = a->before;
        http_networks_free(a->list);
        free(a);
    }
    free(h);
}

/* ---- where they may go ---- */

void hooks_reload(struct hooks *h)
{
    const char *text = h->env->cfg->webhooks_allow_networks, *bad = NULL;
    struct allowed *a = xcalloc(1, sizeof *a);

    a->list = text[0] ? http_networks_parse(text, &bad) : NULL;
    a->before = h->allowed;
    h->allowed = a;
    if (bad)
        log_event(LOG_ERROR, "webhooks.allow_networks", "bad=%s", log_quote(bad));
}

const struct http_networks *hooks_networks(const struct hooks *h)
{
    return h->allowed ? h->allowed->list : NULL;
}

/* ---- how many, and when ---- */

/* uthash keeps what was added in order, and who is asked for is added again: the first one without
 * a delivery under way is the one that was not used for the longest time. */
static void make_room(struct hooks *h)
{
    struct host *t = h->hosts;

    while (t && t->under_way > 0)
        t = t->hh.next;
    if (t)
        hooks_forget(h, t);
}

static void hooks_add(struct hooks *h, struct host *t)
{
    HASH_ADD_KEYPTR(hh, h->hosts, t->name, strlen(t->name), t);
}

static struct host *find_or_add(struct hooks *h, const char *name)
{
    struct host *t = NULL;

    HASH_FIND_STR(h->hosts, name, t);
    if (t) {
        HASH_DEL(h->hosts, t);
        hooks_add(h, t);
        return t;
    }
    if (HASH_COUNT(h->hosts) >= HOSTS_MAX)
        make_room(h);
    t = xcalloc(1, sizeof *t);
    t->name = xstrdup(name);
    hooks_add(h, t);
    return t;
}

static int64_t jittered(int64_t ms) { return ms / 2 + random_below(ms / 2 + 1) + 1; }

/* The more wait for a host, the longer each: ten thousand that come back five times a second would
 * keep Redis busy with nothing else. */
static int64_t busy_ms(struct host *t, int64_t per_host)
{
    int64_t ms = BUSY_MS + BUSY_MS * t->turned_away / (4 * per_host);

    if (ms < BUSY_MAX_MS)
        t->turned_away++;
    return jittered(ms);
}

int64_t hooks_begin(struct hooks *h, const char *host)
{
    struct host *t = find_or_add(h, host);
    int64_t now = clock_mono_ms(), most = h->env->cfg->webhooks_per_host;

    if (t->failures >= BREAK_AFTER) {
        if (now < t->open_until_ms)
            return t->open_until_ms - now + jittered(BUSY_MS);
        if (t->under_way > 0) /* the probe */
            return jittered(t->pause_ms);
    }
    if (t->under_way >= most)
        return busy_ms(t, most);
    t->under_way++;
    t->turned_away -= t->turned_away < 4 * most ? t->turned_away : 4 * most;
    return 0;
}

void hooks_drop(struct hooks *h, const char *host)
{
    struct host *t = find_or_add(h, host);

    if (t->under_way > 0)
        t->under_way--;
}

void hooks_end(struct hooks *h, const char *host, bool ok)
{
    struct host *t = find_or_add(h, host);

    hooks_drop(h, host);
    if (ok) {
        if (t->failures >= BREAK_AFTER)
            log_event(LOG_INFO, "webhook.host_back", "host=%s", log_quote(host));
        t->failures = 0;
        t->pause_ms = 0;
        return;
    }
    if (++t->failures < BREAK_AFTER)
        return;
    if (t->failures == BREAK_AFTER)
        log_event(LOG_WARN, "webhook.host_down", "host=%s", log_quote(host));
    t->pause_ms = t->pause_ms ? t->pause_ms * 2 : PAUSE_MIN_MS;
    if (t->pause_ms > PAUSE_MAX_MS)
        t->pause_ms = PAUSE_MAX_MS;
    t->open_until_ms = clock_mono_ms() + jittered(t->pause_ms);
}
