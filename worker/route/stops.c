/* stops.c - see stops.h.
 *
 * Between heartbeats the local copy decides.  When a probe is due, this process
 * asks stop.lua for it; the job is parked for a second meanwhile.  The process
 * that gets the probe lets one call through. */
#include "worker/route/stops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/digest.h"
#include "common/core/log.h"
#include "common/core/parse.h"
#include "common/core/random.h"
#include "common/core/xalloc.h"
#include "common/queue/alert.h"
#include "common/queue/scripts.h"
#include "worker/env.h"

enum { STOPS_MAX = 16, ASK_AGAIN_MS = 1000 };

struct stop {
    char fingerprint[STOPS_FINGERPRINT];
    int64_t probe_ms; /* monotonic: when the next probe is due */
    enum err_kind why;
    bool asking, probe; /* stop.lua was asked; it granted one call */
};

struct stops {
    const struct env *env;
    struct stop list[STOPS_MAX];
    size_t count;
};

struct ask {
    struct stops *s;
    char fingerprint[STOPS_FINGERPRINT];
};

void stops_fingerprint(const char *api_key, char text[STOPS_FINGERPRINT])
{
    static char known[256], print[STOPS_FINGERPRINT]; /* of the key before: mostly the same */

    if (!print[0] || strcmp(api_key, known) != 0) {
        snprintf(known, sizeof known, "%s", api_key);
        digest_text((struct span){api_key, strlen(api_key)}, print);
    }
    memcpy(text, print, sizeof print);
}

static struct stop *stops_find(struct stops *s, const char *fingerprint)
{
    for (size_t i = 0; i < s->count; i++)
        if (!strcmp(s->list[i].fingerprint, fingerprint))
            return &s->list[i];
    return NULL;
}

static struct stop *find_or_add(struct stops *s, const char *fingerprint)
{
    struct stop *t = stops_find(s, fingerprint);

    if (t || s->count == STOPS_MAX)
        return t;
    t = &s->list[s->count++];
    *t = (struct stop){0};
    snprintf(t->fingerprint, sizeof t->fingerprint, "%s", fingerprint);
    return t;
}

static void call_script(struct stops *s, const char *fingerprint, const char *verb,
                        enum err_kind why, redis_cb *cb, void *arg)
{
    struct redis_args a;

    redis_args_make(&a, key(&s->env->keys, KEY_STOPS), fingerprint, verb, err_code(why),
                    s->env->cfg->retry_probe_ms);
    redis_script(s->env->redis, script(SCRIPT_STOP), 1, &a, cb, arg);
}

struct stops *stops_new(const struct env *env)
{
    struct stops *s = xcalloc(1, sizeof *s);

    s->env = env;
    return s;
}

void stops_free(struct stops *s) { free(s); }

/* "<since> <next probe> <code>" */
static bool read_stop(struct span v, int64_t *probe, enum err_kind *why)
{
    const char *one = memchr(v.p, ' ', v.n);
    const char *two = one ? memchr(one + 1, ' ', (size_t)(v.p + v.n - one - 1)) : NULL;

    if (!two || !parse_int64(one + 1, (size_t)(two - one - 1), 0, INT64_MAX, probe))
        return false;
    *why = err_kind_of(two + 1, (size_t)(v.p + v.n - two - 1));
    if (err_class(*why) != ERR_CLASS_STOP) /* of a newer program */
        *why = ERR_BAD_KEY;
    return true;
}

void stops_hear(struct stops *s, const struct reply *pairs, int64_t now_ms)
{
    struct stops old = *s;

    s->count = 0;
    for (size_t i = 0; i + 1 < reply_count(pairs); i += 2) {
        struct span name = reply_span(reply_at(pairs, i));
        char fingerprint[STOPS_FINGERPRINT];
        struct stop *t, *before;
        int64_t probe;
        enum err_kind why;

        snprintf(fingerprint, sizeof fingerprint, "%.*s", (int)name.n, name.p);
        if (!read_stop(reply_span(reply_at(pairs, i + 1)), &probe, &why))
            continue;
        before = stops_find(&old, fingerprint);
        t = find_or_add(s, fingerprint);
        if (!t)
            continue;
        if (before)
            *t = *before;
        t->why = why;
        t->probe_ms = clock_mono_ms() + probe - now_ms;
    }
}

void stops_set(struct stops *s, const char *fingerprint, enum err_kind why)
{
    struct stop *t = find_or_add(s, fingerprint);
    char text[200];

    if (!t)
        return;
    t->why = why;
    t->probe = false;
    t->probe_ms = clock_mono_ms() + s->env->cfg->retry_probe_ms;
    call_script(s, fingerprint, "set", why, NULL, NULL);
    snprintf(
        text, sizeof text,
        "key %s is stopped: %s; it is probed every %lld ms, and `flotilla resume` ends the stop",
        fingerprint, err_text(why), (long long)s->env->cfg->retry_probe_ms);
    alert_send(s->env->redis, &s->env->keys, err_code(why), fingerprint, text);
    log_event(LOG_ERROR, "key.stopped", "key=%s code=%s", fingerprint, err_code(why));
}

void stops_clear(struct stops *s, const char *fingerprint)
{
    struct stop *t = stops_find(s, fingerprint);

    if (!t)
        return;
    *t = s->list[--s->count];
    call_script(s, fingerprint, "clear", ERR_NONE, NULL, NULL);
    log_event(LOG_INFO, "key.resumed", "key=%s", fingerprint);
}

static void stops_on_probe(void *arg, const struct reply *reply, const struct err *err)
{
    struct ask *k = arg;
    struct stop *t = stops_find(k->s, k->fingerprint);

    (void)err;
    if (t) {
        t->asking = false;
        t->probe = reply_is(reply, "probe") || reply_is(reply, "free");
        if (!t->probe)
            t->probe_ms = clock_mono_ms() + k->s->env->cfg->retry_probe_ms;
    }
    free(k);
}

static void ask_probe(struct stops *s, struct stop *t)
{
    struct ask *k = xcalloc(1, sizeof *k);

    k->s = s;
    memcpy(k->fingerprint, t->fingerprint, sizeof k->fingerprint);
    t->asking = true;
    call_script(s, t->fingerprint, "probe", t->why, stops_on_probe, k);
}

bool stops_holds(struct stops *s, const char *api_key)
{
    char fingerprint[STOPS_FINGERPRINT];
    const struct stop *t;

    if (s->count == 0)
        return false;
    stops_fingerprint(api_key, fingerprint);
    t = stops_find(s, fingerprint);
    return t && !t->probe && t->probe_ms > clock_mono_ms();
}

int64_t stops_wait_ms(struct stops *s, const char *fingerprint, struct err *ret_why)
{
    struct stop *t = stops_find(s, fingerprint);
    int64_t wait;

    if (!t)
        return 0;
    if (t->probe) {
        t->probe = false;
        t->probe_ms = clock_mono_ms() + s->env->cfg->retry_probe_ms;
        return 0;
    }
    wait = t->probe_ms - clock_mono_ms();
    if (wait <= 0 && !t->asking)
        ask_probe(s, t);
    err_set(ret_why, t->why, "the provider's key %s is stopped", fingerprint);
    return wait > 0 ? wait + random_below(ASK_AGAIN_MS)
                    : ASK_AGAIN_MS / 2 + random_below(ASK_AGAIN_MS / 2);
}
