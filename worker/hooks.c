/* hooks.c - see hooks.h.
 *
 *   closed --BREAK_AFTER failures in a row--> open --pause over--> one probe --ok--> closed
 *                                               ^                      | failed
 *                                               +--- twice the pause --+
 */
#include "worker/hooks.h"

#include <stdlib.h>
#include <uthash.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/random.h"
#include "common/core/xalloc.h"
#include "worker/process.h"

enum {
    BREAK_AFTER = 5,
    PAUSE_MIN_MS = 1000,
    PAUSE_MAX_MS = 60000,
    BUSY_MS = 200,
    HOSTS_MAX = 10000
};

struct host {
    char *name;
    int64_t under_way;
    int failures; /* in a row */
    int64_t pause_ms, open_until_ms;
    UT_hash_handle hh;
};

struct hooks {
    struct process *p;
    struct host *hosts;
};

struct hooks *hooks_new(struct process *p)
{
    struct hooks *h = xcalloc(1, sizeof *h);

    h->p = p;
    return h;
}

static void forget(struct hooks *h, struct host *t)
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
    HASH_ITER(hh, h->hosts, t, tmp) { forget(h, t); }
    free(h);
}

/* Hosts without trouble need no memory. */
static void sweep(struct hooks *h)
{
    struct host *t, *tmp;

    HASH_ITER(hh, h->hosts, t, tmp)
    {
        if (t->under_way == 0 && t->failures == 0)
            forget(h, t);
    }
}

static struct host *find_or_add(struct hooks *h, const char *name)
{
    struct host *t = NULL;

    HASH_FIND_STR(h->hosts, name, t);
    if (t)
        return t;
    if (HASH_COUNT(h->hosts) >= HOSTS_MAX)
        sweep(h);
    t = xcalloc(1, sizeof *t);
    t->name = xstrdup(name);
    HASH_ADD_KEYPTR(hh, h->hosts, t->name, strlen(t->name), t);
    return t;
}

static int64_t jittered(int64_t ms) { return ms / 2 + random_below(ms / 2 + 1) + 1; }

int64_t hooks_begin(struct hooks *h, const char *host)
{
    struct host *t = find_or_add(h, host);
    int64_t now = clock_mono_ms();

    if (t->failures >= BREAK_AFTER) {
        if (now < t->open_until_ms)
            return t->open_until_ms - now + jittered(BUSY_MS);
        if (t->under_way > 0) /* the probe */
            return jittered(t->pause_ms);
    }
    if (t->under_way >= h->p->cfg->webhooks_per_host)
        return jittered(BUSY_MS);
    t->under_way++;
    return 0;
}

void hooks_end(struct hooks *h, const char *host, bool ok)
{
    struct host *t = find_or_add(h, host);

    if (t->under_way > 0)
        t->under_way--;
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
