/* health_scene.c - see health_scene.h. */
#include "tests/unit/health_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/config/config.h"
#include "common/core/clock.h"
#include "common/io/loop.h"
#include "tests/unit/redis_shot.h"

#define MODEL ((struct span){"google/x", 8})

struct process one[1], two[1];

int64_t skipped_ms;
static int64_t skipping_us(void) { return clock_system.mono_us() + 1000 * skipped_ms; }
static int64_t wall_ms(void) { return clock_system.wall_ms() + skipped_ms; }
static const struct clock skipping = {skipping_us, wall_ms};

static void open_process(struct process *p, const char *id)
{
    struct err err = {0};

    *p = (struct process){
        .env.loop = scene_loop(), .env.redis = scene_redis(), .env.keys = *scene_keys()};
    snprintf(p->env.id, sizeof p->env.id, "%s", id);
    p->env.cfg = config_load(NULL, &err);
    ck_assert_msg(p->env.cfg, "%s", err.msg);
    p->env.cfg->workers_heartbeat_ms = 50;
    p->env.cfg->routing_probe_min_ms = 100;
    p->env.cfg->routing_probe_max_ms = 400;
    p->health = health_new(&p->env);
}

void two_processes(void)
{
    unsetenv("FLOTILLA_CONFIG");
    scene_open();
    skipped_ms = 0;
    clock_now = &skipping;
    open_process(one, "a");
    open_process(two, "b");
}

void no_processes(void)
{
    TURN_UNTIL(scene_loop(), redis_outstanding(scene_redis()) == 0);
    health_free(one->health);
    health_free(two->health);
    clock_now = &clock_system;
    scene_close();
    config_free(one->env.cfg);
    config_free(two->env.cfg);
}

/* ---- what they do ---- */

struct health_route *route_of(struct process *p)
{
    return health_route(p->health, "together", MODEL);
}

void sync_both(void)
{
    struct process *const both[] = {one, two};

    for (int i = 0; i < 6; i++) {
        health_peek(both[i % 2]->health, route_of(both[i % 2])); /* jobs want to know */
        health_sync(both[i % 2]->health);
        TURN_UNTIL(scene_loop(), redis_outstanding(scene_redis()) == 0);
    }
}

void settle_both(void)
{
    struct timespec nap = {0, 100000000};

    sync_both();
    nanosleep(&nap, NULL);
    sync_both();
}

enum health_gate call_once(struct process *p, enum err_kind kind)
{
    struct health_call c = {0};
    struct health_says says = health_gate(p->health, route_of(p), &c);

    if (says.gate != HEALTH_WAIT) {
        health_began(p->health, &c);
        if (kind == ERR_NONE)
            health_answered(p->health, &c, 50);
        else
            health_failed(p->health, &c, kind);
    }
    health_drop(p->health, &c);
    return says.gate;
}

void calls(struct process *p, int n, enum err_kind kind)
{
    for (int i = 0; i < n; i++)
        call_once(p, kind);
}

enum health_gate peek(struct process *p) { return health_peek(p->health, route_of(p)).gate; }

struct health_state health_record(void)
{
    struct health_state s;
    struct redis_args args;
    struct err err = {0};
    struct span text;

    redis_args_init(&args);
    redis_arg_str(&args, "HGET");
    redis_arg_str(&args, key(scene_keys(), KEY_HEALTH));
    redis_arg_str(&args, HEALTH_SCENE_ROUTE);
    text = reply_span(redis_call(scene_redis(), &args, &err));
    ck_assert_msg(health_read(text, &s), "%.*s", (int)text.n, text.p ? text.p : "");
    return s;
}

int alerts_of(const char *code)
{
    const char *all = says("XRANGE @alerts - +");
    char word[64];
    int n = 0;

    snprintf(word, sizeof word, "[code %s ", code);
    for (const char *at = all; (at = strstr(at, word)); at += strlen(word))
        n++;
    return n;
}

void open_route(void)
{
    sync_both();
    calls(one, 5, ERR_SERVER_ERROR);
    settle_both();
    ck_assert_int_eq(health_record().breaker, HEALTH_OPEN);
}
