/* main.c - together-sim: a stand-in for Together AI, without a key and without a bill.
 *
 * Read sim.h for the parts; `together-sim --help` for use.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <event2/event.h>

#include "common/core/parse.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_server.h"

struct options {
    const char *listen, *answers, *port_file;
    int64_t latency_ms;
    bool help;
};

static const char usage[] =
    "usage: together-sim [options]\n"
    "A stand-in for Together AI: its endpoints, statuses, headers and oddities.\n"
    "\n"
    "  --listen HOST:PORT  where to listen (127.0.0.1:0; port 0 = a free one).  The address\n"
    "                      is printed as \"listening http://HOST:PORT\" on stdout.\n"
    "  --port-file FILE    write the port there\n"
    "  --latency-ms N      time until an answer (0)\n"
    "  --script FILE       JSON {\"models\", \"faults\", \"hooks\"}: the levers below, at the "
    "start\n"
    "  --answers FILE      JSONL {\"question\", \"answer\"}: a prompt that contains the question\n"
    "                      gets the answer\n"
    "  --require-key KEY   401 for any other bearer\n"
    "  --bill-aborted      bill also answers that the client did not wait for\n"
    "\n"
    "Paths work with and without /v1:\n%s\n"
    "  GET  /_sim/ledger   what was asked and billed; ?items=0 leaves items out, ?since=N the "
    "older\n"
    "  POST /_sim/reset    back to the state after the start\n"
    "  POST /_sim/faults   one fault or a list: fixture, path, model, match, times, status,\n"
    "                      headers, body, answer, delay_ms, close, after_chunks, piece_bytes,\n"
    "                      piece_ms (see sim_fault.h)\n"
    "  POST /_sim/latency  {\"model\"?, \"ms\"}\n"
    "  POST /_sim/rate     {\"model\"?, \"start_per_s\", \"growth_per_clean_s\", \"cut_percent\",\n"
    "                      \"tokens_per_s\",\n"
    "                      \"window\": \"dynamic|fixed\", \"headers\"}; start_per_s 0 switches it\n"
    "                      off; headers: a 429 says x-ratelimit-reset (fixed: it does not)\n"
    "  GET  /_sim/rate     {\"<model>\": {\"limit_per_s\", \"allowed\", \"passed\", \"refused\"}}: "
    "the\n"
    "                      limit now, and since the first request what it would have allowed\n"
    "  POST /_sim/models   {\"<model>\" or \"*\": {settings}}\n"
    "  POST /_sim/hook/... records a webhook; GET /_sim/hooks lists them; POST /_sim/hooks says\n"
    "                      what the receiver answers, as faults\n"
    "\n"
    "Settings of a model:\n%s\n"
    "Fixtures:\n%s\n"
    "Tokens are one per 4 bytes of text, rounded up.  TERM and INT end the program with 0.\n";

static bool read_options(struct options *o, struct sim *s, int argc, char **argv, struct err *err)
{
    static const struct option longs[] = {
        {"listen", 1, NULL, 'l'},    {"latency-ms", 1, NULL, 't'},  {"script", 1, NULL, 's'},
        {"answers", 1, NULL, 'a'},   {"require-key", 1, NULL, 'k'}, {"bill-aborted", 0, NULL, 'b'},
        {"port-file", 1, NULL, 'p'}, {"help", 0, NULL, 'h'},        {NULL, 0, NULL, 0}};
    int opt;

    while ((opt = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (opt) {
        case 'l': o->listen = optarg; break;
        case 's': s->script = optarg; break;
        case 'a': o->answers = optarg; break;
        case 'k': s->require_key = optarg; break;
        case 'b': s->bill_aborted = true; break;
        case 'p': o->port_file = optarg; break;
        case 'h': o->help = true; break;
        case 't':
            if (!parse_int64(optarg, strlen(optarg), 0, 3600000, &o->latency_ms))
                return err_set(err, ERR_USAGE, "--latency-ms: 0 to 3600000, not '%s'", optarg);
            break;
        default: return err_set(err, ERR_USAGE, "see together-sim --help");
        }
    }
    return optind == argc || err_set(err, ERR_USAGE, "what is '%s'?", argv[optind]);
}

static bool announce(const struct options *o, const struct sim *s, struct err *err)
{
    const char *colon = strrchr(o->listen, ':');
    FILE *f = o->port_file ? fopen(o->port_file, "we") : NULL;

    if (o->port_file && !f)
        return err_set(err, ERR_CONFIG, "%s: %s", o->port_file, strerror(errno));
    if (f) {
        fprintf(f, "%d\n", s->port);
        fclose(f);
    }
    printf("listening http://%.*s:%d\n", colon ? (int)(colon - o->listen) : 0, o->listen, s->port);
    fflush(stdout);
    return true;
}

static void on_signal(UNUSED evutil_socket_t fd, UNUSED short what, void *arg)
{
    event_base_loopbreak(arg);
}

static void raise_limits(void)
{
    struct rlimit rl;

    signal(SIGPIPE, SIG_IGN);
    if (!getrlimit(RLIMIT_NOFILE, &rl)) {
        rl.rlim_cur = rl.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &rl);
    }
}

static bool start(const struct options *o, struct sim *s, struct event_base *base,
                  struct sim_server **ret, struct err *err)
{
    if (o->answers && !(s->answers = sim_answers_load(o->answers, err)))
        return false;
    if (!sim_init(s, o->latency_ms, err))
        return false;
    *ret = sim_server_new(base, s, o->listen, err);
    return *ret && announce(o, s, err);
}

/* A latency is exact, not rounded up to the next millisecond. */
static struct event_base *exact_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (config && event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) == 0)
        base = event_base_new_with_config(config);
    if (!base)
        abort(); /* no memory */
    event_config_free(config);
    return base;
}

int main(int argc, char **argv)
{
    static struct sim sim;
    struct options o = {.listen = "127.0.0.1:0"};
    struct err err = {0};
    struct event_base *base;
    struct event *term, *intr;
    struct sim_server *server = NULL;
    bool ok = read_options(&o, &sim, argc, argv, &err);

    if (ok && o.help) {
        printf(usage, sim_routes_help(), sim_models_help(), sim_fixtures_help());
        return 0;
    }
    raise_limits();
    base = exact_base();
    term = evsignal_new(base, SIGTERM, on_signal, base);
    intr = evsignal_new(base, SIGINT, on_signal, base);
    event_add(term, NULL);
    event_add(intr, NULL);
    ok = ok && start(&o, &sim, base, &server, &err);
    if (ok)
        event_base_dispatch(base);
    else
        fprintf(stderr, "together-sim: %s\n", err.msg);
    sim_server_free(server);
    event_free(term);
    event_free(intr);
    event_base_free(base);
    sim_done(&sim);
    if (ok)
        return 0;
    return err.kind == ERR_USAGE ? 2 : 1;
}
