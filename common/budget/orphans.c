/* orphans.c - see orphans.h.
 *
 *   HSCAN holds ──none──▶ the next page, or the end
 *     ▲      └─some──▶ lua/budget.lua: "lost" ──┐
 *     └─────────────────────────────────────────┘
 *
 * One pass over the holds of the whole fleet, as many as calls under way: that is for each death,
 * not for each job.  What a scan returns twice does no harm, and neither does what it misses
 * because it came later: that expires. */
#include "common/budget/orphans.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/budget/budget.h"
#include "common/core/xalloc.h"
#include "common/queue/scripts.h"
#include "common/queue/work.h"

enum { PAGE = 500, CALL_MAX = 1000 /* lua/budget.lua takes no more */ };

struct orphans {
    struct redis *redis;
    const struct keys *keys;
    const char *worker;
    char pattern[WORKER_TAG + 8];
    char cursor[24]; /* of the next page; "0" at both ends */
    orphans_cb *cb;
    void *arg;
};

static void scan(struct orphans *o);

static void orphans_end(struct orphans *o, const struct err *err)
{
    o->cb(o->arg, err);
    free(o);
}

static void page_done(struct orphans *o)
{
    if (!strcmp(o->cursor, "0"))
        orphans_end(o, NULL);
    else
        scan(o);
}

/* ---- charging ---- */

static void on_charged(void *arg, const struct reply *reply, const struct err *err)
{
    struct orphans *o = arg;

    if (reply)
        page_done(o);
    else
        orphans_end(o, err);
}

static bool is_open(const struct reply *hold)
{
    struct span value = reply_span(hold);

    return value.n && *value.p == 'o';
}

/* A call of the script for these; the callback comes with the last one. */
static void charge(struct orphans *o, const struct span *holds, size_t n, bool last)
{
    struct redis_args a;

    redis_args_make(&a, key(o->keys, KEY_BUDGET), key(o->keys, KEY_HOLDS),
                    key(o->keys, KEY_HOLDS_DUE), key(o->keys, KEY_ALERTS),
                    key(o->keys, KEY_ALERTED), key(o->keys, KEY_WORKERS),
                    key_word(o->keys->calls, o->worker), BUDGET_REMEMBER_MS, BUDGET_KEEP_SUM_MS, "",
                    0, (int64_t)n);
    for (size_t i = 0; i < n; i++) {
        redis_args_add(&a, holds[i], "lost", "");
    }
    redis_arg_int(&a, 0);
    redis_script(o->redis, script(SCRIPT_BUDGET), 7, &a, last ? on_charged : NULL, o);
}

/* ---- looking ---- */

static void on_page(void *arg, const struct reply *reply, const struct err *err)
{
    struct orphans *o = arg;
    const struct reply *page = reply_at(reply, 1);
    struct span cursor = reply_span(reply_at(reply, 0));
    struct span holds[CALL_MAX];
    size_t n = 0;

    if (!reply) {
        orphans_end(o, err);
        return;
    }
    snprintf(o->cursor, sizeof o->cursor, "%.*s", (int)cursor.n, cursor.n ? cursor.p : "0");
    for (size_t i = 0; i + 1 < reply_count(page); i += 2) {
        if (!is_open(reply_at(page, i + 1)))
            continue;
        if (n == CALL_MAX) { /* a page may be larger than was asked for */
            charge(o, holds, n, false);
            n = 0;
        }
        holds[n++] = reply_span(reply_at(page, i));
    }
    if (n)
        charge(o, holds, n, true);
    else
        page_done(o);
}

static void scan(struct orphans *o)
{
    char count[16];

    snprintf(count, sizeof count, "%d", PAGE);
    redis_sendv(o->redis, on_page, o, "HSCAN", key(o->keys, KEY_HOLDS), o->cursor, "MATCH",
                o->pattern, "COUNT", count, NULL);
}

void orphans_charge(struct redis *redis, const struct keys *keys, const char *worker,
                    orphans_cb *cb, void *arg)
{
    struct orphans *o = xcalloc(1, sizeof *o);

    *o = (struct orphans){
        .redis = redis, .keys = keys, .worker = worker, .cursor = "0", .cb = cb, .arg = arg};
    snprintf(o->pattern, sizeof o->pattern, "*:%.*s*", WORKER_TAG, work_tag(worker));
    scan(o);
}
