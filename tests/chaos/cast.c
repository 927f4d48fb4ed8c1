/* cast.c - the programs of a round.
 *
 *   schedulers, supervisors ──▶ net ──▶ Redis
 *                           ──▶ provider.net ──▶ provider    (the simulator)
 *                           ──▶ receiver.net ──▶ receiver    (another one)
 *
 * The books need what a provider has billed to its last moment, so a provider
 * is killed like this: its network is cut and refuses, all that is in its
 * sockets is read by it, its ledger is asked for, then comes SIGKILL.  For the
 * programs that is a killed provider. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/chaos/chaos.h"

enum { START_MS = 20000, STOP_MS = 30000 };

const char *const role_names[ROLE_COUNT] = {"worker", "supervisor", "scheduler",
                                            "redis",  "provider",   "receiver"};

/* ---- the simulators --------------------------------------------------------- */
static void free_json(void *p) { json_decref(p); }

/* Its catalogue is asked for only by tests of it. */
static void start_server(struct round *r, struct server *s)
{
    static const char *const args[] = {"--bill-aborted", "--latency-ms", "30", NULL};
    struct world *w = r->w;
    struct program *sim = w->sim;
    char *url = w->sim_url;

    w->sim_url = NULL;
    world_start_simulator(w, args);
    s->program = w->sim;
    s->program->may_end = true; /* checked here, not by the world */
    s->url = w->sim_url;
    s->away = false;
    if (s != &r->provider) {
        w->sim = sim;
        w->sim_url = url;
    }
}

static void net_before(struct round *r, struct server *s)
{
    const char *upstream = world_text(r->w, "tcp:%s", strrchr(s->url, ':') + 1);

    s->port = world_free_port();
    s->net = cutter_start(world_text(r->w, "tcp:%d", s->port), upstream, dice_u64(&r->dice));
    s->net_url = world_text(r->w, "http://127.0.0.1:%d", s->port);
}

json_t *cast_ask(struct round *r, struct server *s, const char *method, const char *path,
                 const char *body)
{
    struct web_answer a;
    json_t *doc = NULL;

    if (s->away)
        return NULL;
    a = web_request(method, world_text(r->w, "%s%s", s->url, path), body, NULL);
    if (a.status >= 200 && a.status <= 299)
        doc = world_own(r->w, json_loads(a.n ? a.body : "{}", JSON_DECODE_ANY, NULL), free_json);
    else
        chaos_note(r, "%s %s: %d %s", method, path, a.status, a.body);
    web_answer_done(&a);
    return doc;
}

static void add_to_bill(json_t *bill, json_t *ledger)
{
    const char *model;
    json_t *sums;

    json_object_foreach (json_object_get(ledger, "by_model"), model, sums) {
        int64_t have = json_integer_value(json_object_get(bill, model));

        json_object_set_new(bill, model, json_integer(have + world_int_at(sums, "billed_nanousd")));
    }
}

/* Wait until a server that gets no more bytes has read and closed all it had. */
static json_t *wait_idle(struct round *r, struct server *s)
{
    json_t *ledger = NULL;
    int64_t requests = -1;

    for (int looks = 0; looks < 2000; looks++) {
        ledger = cast_ask(r, s, "GET", "/_sim/ledger?items=0", NULL);
        if (world_int_at(ledger, "in_flight") == 0 && world_int_at(ledger, "requests") == requests)
            return ledger;
        requests = world_int_at(ledger, "requests");
        pause_ms(5);
    }
    return ledger;
}

void cast_replace(struct round *r, struct server *s)
{
    json_t *ledger, *hooks;

    program_signal(s->program, SIGCONT);
    s->away = false;
    cutter_refuse(s->net);
    ledger = wait_idle(r, s);
    add_to_bill(r->bill, ledger);
    r->counts.calls += world_int_at(ledger, "requests");
    hooks = cast_ask(r, s, "GET", "/_sim/hooks", NULL);
    json_array_extend(r->deliveries, json_object_get(hooks, "hooks"));
    cast_kill(r, s == &r->provider ? ROLE_PROVIDER : ROLE_RECEIVER, s->program->pid);
    program_wait(s->program, START_MS);
    start_server(r, s);
    cutter_upstream(s->net, (int)strtol(strrchr(s->url, ':') + 1, NULL, 10));
}

/* ---- flotilla --------------------------------------------------------------- */
void cast_config(struct round *r, struct dice *d)
{
    static const int concurrency[] = {4, 16, 64}, batch[] = {3, 64, 256};

    world_config(
        r->w,
        world_text(
            r->w,
            "redis: {command_timeout_ms: 3000}\n"
            "retry: {delay_ms: 50, realtime_delay_ms: 20, finetune_delay_ms: 50, max_ms: 500, "
            "park_min_ms: 50,"
            " park_max_ms: 500, probe_ms: 300, server_wait_max_ms: 500}\n"
            "routing: {probe_min_ms: 100, probe_max_ms: 500, gone_ms: 2000, catalogue_ms: 0}\n"
            "limits: {timeout_ms: 8000, stream_idle_ms: 3000, stream_max_ms: 30000,"
            " start_rate: %d}\n"
            "workers: {processes: 2, concurrency: %d, batch_jobs: %d, lease_ms: 2000,"
            " heartbeat_ms: 150, drain_ms: %d}\n"
            "scheduler: {lease_ms: 800, sweep_ms: %d}\n"
            "cache: {lease_ms: 1000, infer_ttl_ms: %d}\n"
            "webhooks: {timeout_ms: 2000, schedule_ms: \"%s\"}\n"
            "budgets:\n"
            "  - {name: all, for: {all: true}, per: month, limit_usd: 1000, policy: wait}\n"
            "  - {name: rich, for: {tenant: rich}, per: day, limit_usd: 100, policy: wait}\n"
            "  - {name: poor, for: {tenant: poor}, per: day, limit_usd: 0.002, policy: reject}\n",
            (int)dice_between(d, 20, 300), concurrency[dice_below(d, 3)], batch[dice_below(d, 3)],
            (int)dice_between(d, 500, 4000), (int)dice_between(d, 300, 3000),
            (int)dice_between(d, 300, 60000),
            "0,50,100,200,400,800,800,800,800,800,800,800,800,800,800,800,800,800,800,800,800,800,"
            "800,800,800,800,800,800,800,800,800,800"));
}

/* LOG=debug: programs say more. */
static const char *log_setting(struct round *r)
{
    const char *level = getenv("LOG");

    return world_text(r->w, "FLOTILLA_LOG_LEVEL=%s", level && *level ? level : "info");
}

static const char *config_setting(struct round *r)
{
    return world_text(r->w, "FLOTILLA_CONFIG=%s/flotilla.yaml", r->w->dir);
}

static const char *provider_setting(struct round *r)
{
    return world_text(r->w, "TOGETHER_BASE_URL=%s/v1", r->provider.net_url);
}

void cast_new_scheduler(struct round *r, int i)
{
    r->schedulers[i] = world_start_scheduler(r->w, config_setting(r), log_setting(r));
    r->schedulers[i]->may_end = true;
}

void cast_new_supervisor(struct round *r, int i)
{
    r->supervisors[i] =
        world_start_worker(r->w, config_setting(r), provider_setting(r), log_setting(r));
    r->supervisors[i]->may_end = true;
}

void cast_start(struct round *r)
{
    struct world *w = r->w;
    char *path = world_text(w, "%s/net.sock", w->dir);

    r->net = cutter_start(world_text(w, "unix:%s", path), world_text(w, "unix:%s", w->redis_socket),
                          dice_u64(&r->dice));
    w->redis_url = world_text(w, "unix://%s", path);
    w->redis->may_end = true;
    start_server(r, &r->provider);
    net_before(r, &r->provider);
    start_server(r, &r->receiver);
    net_before(r, &r->receiver);
    cast_config(r, &r->dice);
    for (int i = 0; i < SCHEDULERS; i++)
        cast_new_scheduler(r, i);
    for (int i = 0; i < SUPERVISORS; i++)
        cast_new_supervisor(r, i);
}

void cast_free(struct round *r)
{
    cutter_free(r->net);
    cutter_free(r->provider.net);
    cutter_free(r->receiver.net);
}

/* ---- deaths ----------------------------------------------------------------- */
void cast_kill(struct round *r, enum role role, pid_t pid)
{
    if (kill(pid, SIGKILL) == 0)
        r->counts.kills[role]++;
}

void cast_orphan(struct round *r, struct program *supervisor)
{
    size_t room = ORPHANS_MAX - r->orphan_count;

    r->orphan_count += world_worker_pids(supervisor, r->orphans + r->orphan_count, room);
}

void cast_redis_back(struct round *r, int64_t unused)
{
    (void)unused;
    if (!r->w->redis)
        world_redis_start(r->w);
    r->w->redis->may_end = true;
    r->redis_away = false;
}

/* Programs end by SIGKILL or TERM only, and both come from here.  True, or the round's end. */
static bool ended_well(struct round *r, struct program *p)
{
    int code = WIFEXITED(p->status) ? WEXITSTATUS(p->status) : -WTERMSIG(p->status);

    if (code != 0 && code != -SIGKILL)
        world_fail(r->w, "seed %llu round %d: %s ended by itself with %d",
                   (unsigned long long)r->seed, r->number, p->name, code);
    return true;
}

void cast_tend(struct round *r)
{
    for (int i = 0; i < SCHEDULERS; i++)
        if (!program_runs(r->schedulers[i]) && ended_well(r, r->schedulers[i]))
            cast_new_scheduler(r, i);
    for (int i = 0; i < SUPERVISORS; i++)
        if (!program_runs(r->supervisors[i]) && ended_well(r, r->supervisors[i]))
            cast_new_supervisor(r, i);
}

static void stop_one(struct round *r, struct program *p)
{
    int64_t until = now_ms() + patience_ms(STOP_MS);

    program_signal(p, SIGTERM);
    while (program_runs(p) && now_ms() < until)
        pause_ms(5);
    if (program_runs(p))
        violation(r, NULL, "%s runs still %d ms after TERM", p->name, STOP_MS);
    else if (!WIFEXITED(p->status) || WEXITSTATUS(p->status))
        violation(r, NULL, "%s ended with status 0x%x after TERM", p->name, p->status);
}

/* Has the process ended, or become another's? */
static bool is_gone(pid_t pid)
{
    pid_t all[4096];
    size_t n = program_children(getpid(), all, ARRAY_LEN(all));

    for (size_t i = 0; i < n; i++)
        if (all[i] == pid)
            return false;
    return true;
}

void cast_stop(struct round *r)
{
    for (int i = 0; i < SUPERVISORS; i++)
        stop_one(r, r->supervisors[i]);
    for (int i = 0; i < SCHEDULERS; i++)
        stop_one(r, r->schedulers[i]);
    for (size_t i = 0; i < r->orphan_count; i++) {
        int64_t until = now_ms() + patience_ms(STOP_MS);

        while (!is_gone(r->orphans[i]) && now_ms() < until)
            pause_ms(20);
        if (!is_gone(r->orphans[i]))
            violation(r, NULL, "process %d runs still without its supervisor", (int)r->orphans[i]);
    }
}
