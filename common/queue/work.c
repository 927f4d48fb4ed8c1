/* work.c - see work.h; the scripts are lua/claim.lua, start.lua, giveback.lua, heartbeat.lua.
 *
 *     register (the first heartbeat) --> claim ids --> start them: their records come
 *                                            ^  \--> or give them back
 *                                            +--- wait at the bells of empty queues
 *
 * Functions here only lay out KEYS and ARGV; what the answers mean is pull.c's and heartbeat.c's.
 * Who was reaped comes back under a new id, so that what the old one still writes is refused. */
#include "common/queue/work.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/core/random.h"
#include "common/queue/scripts.h"

void work_new_id(char id[WORKER_ID_MAX])
{
    char host[65] = "", tag[2 * (WORKER_TAG / 2) + 1];

    gethostname(host, sizeof host - 1);
    for (char *p = host; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '.')
            *p = '-';
    random_hex(tag, WORKER_TAG / 2);
    snprintf(id, WORKER_ID_MAX, "%s-%s", host[0] ? host : "host", tag);
}

const char *work_tag(const char *worker_id)
{
    size_t n = strlen(worker_id);

    return n > WORKER_TAG ? worker_id + n - WORKER_TAG : worker_id;
}

void work_claim(struct redis *r, const struct keys *k, const struct work_claim *c, redis_cb *cb,
                void *arg)
{
    struct redis_args a;
    size_t nkeys;

    redis_args_make(&a, key(k, KEY_WORKERS), key_word(k->active, c->worker), key(k, KEY_PAUSED));
    for (size_t i = 0; i < c->n; i++)
        redis_arg_str(&a, k->ready[c->wants[i].queue]);
    for (size_t i = 0; i < c->n; i++)
        redis_arg_str(&a, k->wake[c->wants[i].queue]);
    nkeys = a.count;
    redis_args_add(&a, c->worker, (int64_t)c->n, c->total);
    for (size_t i = 0; i < c->n; i++) {
        redis_args_add(&a, queue_name(c->wants[i].queue), c->wants[i].quota, c->wants[i].class,
                       c->wants[i].most);
    }
    redis_script(r, script(SCRIPT_CLAIM), nkeys, &a, cb, arg);
}

void work_start(struct redis *r, const struct keys *k, const struct work_start *w, redis_cb *cb,
                void *arg)
{
    struct redis_args a;

    redis_args_make(&a, key(k, KEY_WORKERS), key_word(k->active, w->worker), key(k, KEY_DELAYED),
                    key(k, KEY_PAUSED));
    for (size_t i = 0; i < w->n; i++)
        keys_arg(&a, k->job, w->ids[i]);
    redis_args_add(&a, w->worker, w->token, (int64_t)strlen(k->job));
    if (w->guess)
        redis_arg_str(&a, "guess");
    redis_script(r, script(SCRIPT_START), w->n + 4, &a, cb, arg);
}

void work_heartbeat(struct redis *r, const struct keys *k, const struct work_heartbeat *w,
                    redis_cb *cb, void *arg)
{
    struct redis_args a;

    redis_args_make(&a, key(k, KEY_WORKERS), key(k, KEY_CANCELS), key(k, KEY_SCALE),
                    key(k, KEY_STOPS), key(k, KEY_CATALOGUES), key(k, KEY_ROUTES),
                    key(k, KEY_HEALTH), w->worker, w->what, w->first ? "1" : "0",
                    w->health ? "1" : "0");
    redis_script(r, script(SCRIPT_HEARTBEAT), 7, &a, cb, arg);
}

void work_give_back(struct redis *r, const struct keys *k, const struct work_give_back *g,
                    redis_cb *cb, void *arg)
{
    struct redis_args a;
    size_t nkeys;

    redis_args_init(&a);
    keys_arg(&a, k->active, g->worker);
    keys_arg_queues(&a, k);
    for (size_t i = 0; i < g->n; i++)
        keys_arg(&a, k->job, g->ids[i]);
    nkeys = a.count;
    redis_arg_str(&a, g->front ? "front" : "back");
    for (size_t i = 0; i < g->n; i++)
        redis_args_add(&a, g->ids[i], g->queues[i]);
    redis_script(r, script(SCRIPT_GIVEBACK), nkeys, &a, cb, arg);
}

bool work_is_gone(const struct reply *reply) { return reply_is(reply_at(reply, 0), "gone"); }

void work_wait(struct redis *r, const struct keys *k, const struct work_want *wants, size_t n,
               int64_t block_ms, redis_cb *cb, void *arg)
{
    struct redis_args a;
    char seconds[32];

    redis_args_init(&a);
    redis_arg_str(&a, "BLPOP");
    for (size_t i = 0; i < n; i++)
        redis_arg_str(&a, k->wake[wants[i].queue]);
    snprintf(seconds, sizeof seconds, "%lld.%03lld", (long long)(block_ms / 1000),
             (long long)(block_ms % 1000));
    redis_arg_str(&a, seconds);
    redis_send_blocking(r, &a, block_ms, cb, arg);
}
