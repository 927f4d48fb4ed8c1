/* watch.c - pushes the documents, shows what the queue does, and kills a worker.
 *
 * What is shown is what any operator can read: lengths of lists and sets.  The
 * killed process is frozen for an instant first (SIGSTOP), so that what it
 * holds can be written down; then it gets SIGKILL and can tell nobody anything. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/queue/record.h"
#include "deploy/demo/demo.h"

enum { LOOK_MS = 80, CLOSE_LOOK_MS = 10, PUSH_JOBS = 25, WORKERS_MAX = 16, START_MS = 15000 };

static void pause_ms(struct demo *d, int64_t ms)
{
    for (int64_t until = clock_mono_ms() + ms; clock_mono_ms() < until;)
        loop_turn(d->loop, until - clock_mono_ms());
}

bool watch_workers(struct demo *d, struct err *err)
{
    int64_t until = clock_mono_ms() + START_MS;

    while (talk_int(d, "HLEN", key(&d->keys, KEY_WORKERS), NULL) < d->cfg->workers_processes ||
           talk_int(d, "EXISTS", key(&d->keys, KEY_LEASE), NULL) == 0) {
        if (clock_mono_ms() > until)
            return err_set(err, ERR_INTERNAL, "scheduler and workers are not there after %d s",
                           START_MS / 1000);
        pause_ms(d, CLOSE_LOOK_MS);
    }
    return true;
}

void watch_push(struct demo *d)
{
    d->started_ms = clock_mono_ms();
    for (size_t i = 0; i < d->count;) {
        struct redis_args a;
        struct err err;

        redis_args_init(&a);
        redis_arg_str(&a, "LPUSH");
        redis_arg_str(&a, key(&d->keys, KEY_INTAKE));
        for (size_t n = 0; n < PUSH_JOBS && i < d->count; n++)
            redis_arg_str(&a, d->plan[i++].doc);
        if (!redis_call(d->redis, &a, &err))
            fprintf(stderr, "demo: LPUSH: %s\n", err.msg);
    }
    show_event(d, "%zu documents pushed with LPUSH %s", d->count, key(&d->keys, KEY_INTAKE));
}

/* ---- what the queue holds ---- */

struct worker {
    char id[128];
    pid_t pid;
    int64_t held;
};

struct load {
    int64_t results, ready, running, waiting; /* ready: taken in or not */
    struct worker workers[WORKERS_MAX];
    size_t worker_count;
};

static int64_t card(struct demo *d, const char *worker)
{
    char name[256];

    snprintf(name, sizeof name, "%s%s", d->keys.active, worker);
    return talk_int(d, "SCARD", name, NULL);
}

static void look_at_workers(struct demo *d, struct load *l)
{
    const struct reply *r = talk(d, "HGETALL", key(&d->keys, KEY_WORKERS), NULL);

    for (size_t i = 0; i + 1 < reply_count(r) && l->worker_count < WORKERS_MAX; i += 2) {
        struct worker *w = &l->workers[l->worker_count++];
        struct span id = reply_span(reply_at(r, i)), what = reply_span(reply_at(r, i + 1));
        json_t *doc = json_loadb(what.p, what.n, 0, NULL);

        snprintf(w->id, sizeof w->id, "%.*s", (int)id.n, id.p);
        w->pid = (pid_t)json_integer_value(json_object_get(doc, "pid"));
        json_decref(doc);
    }
    for (size_t i = 0; i < l->worker_count; i++)
        l->running += l->workers[i].held = card(d, l->workers[i].id);
}

/* All lists at one moment: jobs that move on meanwhile would count twice. */
static int64_t count_ready(struct demo *d)
{
    const struct reply *counts;
    int64_t n = 0;

    talk(d, "MULTI", NULL);
    talk(d, "LLEN", key(&d->keys, KEY_INTAKE), NULL);
    talk(d, "LLEN", key(&d->keys, KEY_TAKEN), NULL);
    for (int q = 1; q <= QUEUE_COUNT; q++)
        talk(d, "LLEN", d->keys.ready[q], NULL);
    counts = talk(d, "EXEC", NULL);
    for (size_t i = 0; i < reply_count(counts); i++)
        n += reply_int(reply_at(counts, i));
    return n;
}

static void look(struct demo *d, struct load *l)
{
    *l = (struct load){.results = talk_int(d, "XLEN", key(&d->keys, KEY_RESULTS), NULL),
                       .ready = count_ready(d),
                       .waiting = talk_int(d, "ZCARD", key(&d->keys, KEY_DELAYED), NULL)};
    look_at_workers(d, l);
}

static void show_load(struct demo *d, const struct load *l)
{
    char text[128];

    snprintf(text, sizeof text, "ready %lld %s running %lld %s waiting %lld", (long long)l->ready,
             show_dot(), (long long)l->running, show_dot(), (long long)l->waiting);
    show_progress(d, (size_t)l->results, d->want_results, text);
}

/* ---- kill -9 ---- */

static bool read_record(struct demo *d, const char *id, struct record *rec)
{
    char name[256];
    struct span s;

    snprintf(name, sizeof name, "%s%s", d->keys.job, id);
    s = reply_span(talk(d, "GET", name, NULL));
    return s.p && record_read(s.p, s.n, rec);
}

static void note_held(struct demo *d, const struct worker *w)
{
    struct killed *k = &d->killed;
    char name[256];
    const struct reply *r;
    struct record rec;

    snprintf(name, sizeof name, "%s%s", d->keys.active, w->id);
    r = talk(d, "SMEMBERS", name, NULL);
    for (size_t i = 0; i < reply_count(r) && k->count < HELD_MAX; i++) {
        struct span s = reply_span(reply_at(r, i));

        snprintf(k->held[k->count++].id, sizeof k->held[0].id, "%.*s", (int)s.n, s.p);
    }
    for (size_t i = 0; i < k->count; i++)
        if (read_record(d, k->held[i].id, &rec))
            k->held[i].tnum = rec.tnum;
}

static void kill_one(struct demo *d, const struct load *l)
{
    const struct worker *w = &l->workers[0];

    for (size_t i = 1; i < l->worker_count; i++)
        if (l->workers[i].held > w->held)
            w = &l->workers[i];
    if (kill(w->pid, SIGSTOP) != 0)
        return;
    note_held(d, w);
    d->killed.pid = w->pid;
    d->killed.at_ms = clock_mono_ms();
    kill(w->pid, SIGKILL);
    show_event(d, "%skill -9 %d%s: a worker process with %zu jobs in its hands", tint(TINT_BAD),
               (int)w->pid, tint(TINT_NONE), d->killed.count);
}

/* Two transitions later (given back, started) it is in other hands; an end is an end. */
static void look_at_held(struct demo *d)
{
    struct killed *k = &d->killed;
    struct record rec;

    for (size_t i = 0; i < k->count; i++) {
        if (k->held[i].back || !read_record(d, k->held[i].id, &rec))
            continue;
        k->held[i].back = job_state_ended(rec.state) || rec.tnum >= k->held[i].tnum + 2;
        k->back += k->held[i].back;
    }
    if (k->back < k->count)
        return;
    k->back_ms = clock_mono_ms() - k->at_ms;
    show_event(d, "all %zu are in other hands again, %lld ms after the kill", k->count,
               (long long)k->back_ms);
}

/* ---- the run ---- */

static bool is_over(const struct demo *d, const struct load *l)
{
    return l->results >= (int64_t)d->want_results && l->ready == 0 && l->running == 0 &&
           l->waiting == 0;
}

static bool is_time_to_kill(const struct demo *d, const struct load *l)
{
    return d->killed.pid == 0 && l->worker_count >= 2 &&
           l->results * 3 >= (int64_t)d->want_results && l->running >= 16;
}

bool watch_run(struct demo *d, int64_t patience_ms)
{
    const struct killed *k = &d->killed;
    struct load l;

    for (;;) {
        look(d, &l);
        show_load(d, &l);
        if (is_time_to_kill(d, &l))
            kill_one(d, &l);
        if (k->back < k->count)
            look_at_held(d);
        if (is_over(d, &l) || clock_mono_ms() - d->started_ms > patience_ms)
            break;
        pause_ms(d, k->back < k->count ? CLOSE_LOOK_MS : LOOK_MS);
    }
    show_progress_end();
    d->took_ms = clock_mono_ms() - d->started_ms;
    if (is_over(d, &l))
        show_event(d, "nothing is left to do");
    return is_over(d, &l);
}
