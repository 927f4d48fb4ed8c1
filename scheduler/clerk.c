/* clerk.c - has the catalogue of every provider fetched, once per routing.catalogue_ms.
 *
 *     slot = now rounded down to catalogue_ms
 *     field catalogue:<provider> of errands < slot --> job catalogue~<provider>~<now>, field = now
 *
 * Only workers talk to providers, so the clerk makes a job per provider and
 * slot; job and field are written together, and only while the field is what
 * was read, so there is one, whoever holds the lease when.  A scheduler that
 * gains the lease has it fetched as well, unless that was just done: who starts
 * everything anew gets the prices of today.  Without workers nothing is made, or
 * asked of Redis: nobody would hear the prices. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/json.h"
#include "common/core/parse.h"
#include "common/core/xalloc.h"
#include "scheduler/errand.h"
#include "scheduler/scheduler.h"

enum { LOOK_MS = 1000, LOOK_MIN_MS = 50, AT_MAX = 64 };
enum { USELESS_MIN_MS = 60000, JUST_NOW_MS = 60000 };

/* What is known of one provider; providers do not change while a program runs. */
struct shelf {
    struct clerk *c;
    char name[40], what[80];
    char at[AT_MAX]; /* what the field held last; "" nothing, or not looked */
    int64_t at_ms;
    bool asking;
    bool fresh; /* the lease was gained since the last one was made */
};

struct clerk {
    struct scheduler *s;
    struct loop_timer *timer;
    bool running;
    struct shelf *shelves;
    size_t count;
};

static int64_t number(const char *text)
{
    int64_t v;

    return parse_int64(text, strlen(text), 0, INT64_MAX, &v) ? v : 0;
}

static void clerk_look(void *arg);

static void on_made(void *arg, enum errand_end end, const char *at)
{
    struct shelf *f = arg;

    f->asking = false;
    if (end == ERRAND_MADE)
        f->fresh = false;
    if (end == ERRAND_MADE || end == ERRAND_MOVED) {
        snprintf(f->at, sizeof f->at, "%s", at);
        f->at_ms = number(at);
    }
    if (end == ERRAND_MOVED && f->c->running) { /* now it is known whether one is due */
        loop_cancel(&f->c->timer);
        f->c->timer = loop_after(f->c->s->loop, 0, clerk_look, f->c);
    }
}

static void make(struct shelf *f, int64_t now, int64_t every_ms)
{
    struct errand *e = errand_new(f->c->s, f->what, QUEUE_INFERENCE_REALTIME);
    int64_t useless_ms = now + (every_ms > USELESS_MIN_MS ? 2 * every_ms : USELESS_MIN_MS);
    struct buf doc = BUF(4096);
    char id[128], to[AT_MAX];

    snprintf(to, sizeof to, "%" PRId64, now);
    snprintf(id, sizeof id, "catalogue~%s~%s", f->name, to);
    buf_puts(&doc, "{\"type\":\"catalogue\",\"payload\":{");
    json_add_str(&doc, "provider", f->name);
    buf_puts(&doc, "}}");
    errand_needs_worker(e);
    errand_job(e, JOB_CATALOGUE, id, buf_span(&doc), useless_ms);
    buf_done(&doc);
    f->asking = true;
    errand_send(e, f->at, to, on_made, f);
}

static bool is_due(const struct shelf *f, int64_t now, int64_t every_ms)
{
    return f->at_ms < now - now % every_ms || (f->fresh && f->at_ms < now - JUST_NOW_MS);
}

static void clerk_look(void *arg)
{
    struct clerk *c = arg;
    int64_t every_ms = c->s->cfg->routing_catalogue_ms, now = clock_wall_ms();
    int64_t pause = every_ms / 4;

    pause = clamp64(pause, LOOK_MIN_MS, LOOK_MS);
    c->timer = loop_after(c->s->loop, every_ms ? pause : LOOK_MS, clerk_look, c);
    if (every_ms == 0 || !redis_is_ready(c->s->redis) || !reaper_may_have_workers(c->s->reaper))
        return;
    for (size_t i = 0; i < c->count; i++) {
        struct shelf *f = &c->shelves[i];

        if (!f->asking && is_due(f, now, every_ms))
            make(f, now, every_ms);
    }
}

struct clerk *clerk_new(struct scheduler *s)
{
    struct clerk *c = xcalloc(1, sizeof *c);

    c->s = s;
    c->count = s->cfg->provider_count;
    c->shelves = xcalloc(c->count ? c->count : 1, sizeof *c->shelves);
    for (size_t i = 0; i < c->count; i++) {
        struct shelf *f = &c->shelves[i];

        f->c = c;
        snprintf(f->name, sizeof f->name, "%s", s->cfg->providers[i].name);
        snprintf(f->what, sizeof f->what, "catalogue:%s", f->name);
    }
    return c;
}

void clerk_start(struct clerk *c)
{
    if (c->running)
        return;
    c->running = true;
    for (size_t i = 0; i < c->count; i++)
        c->shelves[i].fresh = true;
    c->timer = loop_after(c->s->loop, 0, clerk_look, c);
}

void clerk_stop(struct clerk *c)
{
    c->running = false;
    loop_cancel(&c->timer);
}

void clerk_free(struct clerk *c)
{
    if (!c)
        return;
    clerk_stop(c);
    free(c->shelves);
    free(c);
}
