/* world.c - the life of a world: its directory, its programs, its end.
 *
 *   world_new ─▶ directory ─▶ Redis ─▶ (proxy) ─▶ (simulator) ─▶ the test starts the rest
 *   world_free: no surprise ends? ─▶ collect documents ─▶ kill all ─▶ no sanitizer report? ─▶
 * remove
 *
 * Nothing here uses common/: a fault in the code under test shall not bend the
 * instruments.  The directory is below FLOTILLA_TEST_DIR, which the runner makes
 * and, when a test failed, names; paths are kept short for the unix sockets.
 */
#include "tests/support/world_private.h"

#include <check.h>
#include <errno.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ENV_MAX = 128, ARGS_MAX = 64, CLI_MS = 30000, LOOK_EVERY_MS = 3 };

/* ---- memory of the world ---------------------------------------------------- */
void world_make_root(char *path, size_t size)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(path, size, "%s/fl-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(path)) {
        perror(path);
        exit(2);
    }
    setenv("FLOTILLA_TEST_DIR", path, 1);
}

void *world_own(struct world *w, void *take_p, void (*free_func)(void *))
{
    struct owned *o = malloc(sizeof *o);

    if (!o || !take_p)
        abort();
    *o = (struct owned){take_p, free_func, w->private->owned};
    w->private->owned = o;
    return take_p;
}

char *world_text(struct world *w, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        abort();
    va_end(ap);
    return world_own(w, text, free);
}

char *world_file(struct world *w, const char *name, const char *text)
{
    char *path = world_text(w, "%s/%s", w->dir, name);
    FILE *f = fopen(path, "we");

    if (!f || fputs(text, f) < 0 || fclose(f))
        world_fail(w, "cannot write %s", path);
    return path;
}

char *world_config(struct world *w, const char *text)
{
    return world_text(w, "FLOTILLA_CONFIG=%s", world_file(w, "flotilla.yaml", text));
}

/* ---- life ------------------------------------------------------------------- */
static void make_dir(struct world *w, const char *test)
{
    const char *root = getenv("FLOTILLA_TEST_DIR"), *tmp = getenv("TMPDIR");
    size_t length = strlen(test);
    struct sockaddr_un address;
    FILE *name;

    w->dir = world_text(w, "%s/w-XXXXXX", root ? root : tmp ? tmp : "/tmp");
    if (!mkdtemp(w->dir))
        ck_abort_msg("cannot make %s: %s", w->dir, strerror(errno));
    w->redis_socket = world_text(w, "%s/redis.sock", w->dir);
    if (strlen(w->redis_socket) >= sizeof address.sun_path)
        ck_abort_msg("%s is too long for a socket: set TMPDIR", w->redis_socket);
    if (length > 3 && strcmp(test + length - 3, "_fn") == 0)
        length -= 3; /* Check's macro adds it */
    name = fopen(world_text(w, "%s/test", w->dir), "we");
    if (name) {
        fprintf(name, "%.*s\n", (int)length, test);
        fclose(name);
    }
}

struct world *world_new_with(const struct world_options *options)
{
    struct world *w = calloc(1, sizeof *w);

    if (!w || !(w->private = calloc(1, sizeof *w->private)))
        abort();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    w->private->options = *options;
    w->private->pushed = json_array();
    make_dir(w, options->test);
    if (options->tcp)
        w->redis_port = world_free_port();
    world_redis_start(w);
    w->redis_url = world_text(w, "unix://%s", w->redis_socket);
    if (options->proxy) {
        char *path = world_text(w, "%s/proxy.sock", w->dir);

        w->proxy = proxy_start(path, w->redis_socket);
        w->redis_url = world_text(w, "unix://%s", path);
    }
    if (options->simulator)
        world_start_simulator(w, options->simulator_args);
    return w;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

/* A program that ended although the test did not end it is a finding. */
static void fail_on_surprise(struct world *w, const char *when)
{
    for (struct program *p = w->private->programs; p; p = p->next)
        if (!program_runs(p) && !p->may_end)
            world_fail(w, "%s: %s ended by itself, %s %d", when, p->name,
                       WIFEXITED(p->status) ? "exit code" : "signal",
                       WIFEXITED(p->status) ? WEXITSTATUS(p->status) : WTERMSIG(p->status));
}

static void fail_on_sanitizer_report(struct world *w)
{
    static const char *const signs[] = {"ERROR: AddressSanitizer", "ERROR: LeakSanitizer",
                                        "WARNING: ThreadSanitizer", ": runtime error: "};

    for (struct program *p = w->private->programs; p; p = p->next) {
        char *text = program_err(p);

        for (size_t i = 0; i < ARRAY_LEN(signs); i++)
            if (strstr(text, signs[i]))
                world_fail(w, "%s: %s", p->name, strstr(text, signs[i]));
        free(text);
    }
}

void world_free(struct world *w)
{
    struct world_private *pr;

    if (!w)
        return;
    pr = w->private;
    fail_on_surprise(w, "at the end");
    world_check_rights(w);
    if (w->redis) {
        world_redis_thaw(w);
        world_check_reserved(w);
    }
    world_collect(w);
    world_redis_disconnect(w);
    proxy_free(w->proxy);
    for (struct program *p = pr->programs; p; p = p->next)
        p->may_end = true;
    program_kill_descendants();
    fail_on_sanitizer_report(w);
    nftw(w->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    for (struct program *p; (p = pr->programs);) {
        pr->programs = p->next;
        program_free(p);
    }
    for (struct owned *o; (o = pr->owned);) {
        pr->owned = o->next;
        o->free(o->p);
        free(o);
    }
    json_decref(pr->pushed);
    free(pr);
    free(w);
}

/* ---- programs --------------------------------------------------------------- */
const char *world_build_dir(void)
{
    static char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    char *slash;

    path[n > 0 ? n : 0] = '\0';
    slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    return path;
}

/* Put "NAME=value" into the list in place of an older value; "NAME" alone removes it. */
static void env_put(const char *env[ENV_MAX], const char *setting)
{
    size_t name = strcspn(setting, "="), i = 0;

    while (env[i] && !(strncmp(env[i], setting, name) == 0 && env[i][name] == '='))
        i++;
    if (i + 1 >= ENV_MAX)
        ck_abort_msg("over %d settings", ENV_MAX);
    if (setting[name]) {
        env[i] = setting;
    } else {
        for (; env[i]; i++)
            env[i] = env[i + 1];
    }
}

static const char *redis_url_of(struct world *w, const char *program)
{
    static const char *const users[][2] = {{"flotilla-scheduler", "scheduler"},
                                           {"flotilla-worker", "worker"},
                                           {"flotilla", "operator"}};
    const char *slash = strrchr(program, '/');

    for (size_t i = 0; i < ARRAY_LEN(users); i++)
        if (w->redis_url && strcmp(slash ? slash + 1 : program, users[i][0]) == 0)
            return world_redis_url_as(w, users[i][1]);
    return w->redis_url;
}

/* Programs see what a shell needs and what sanitizers read, and nothing else of ours. */
static void env_base(struct world *w, const char *program, const char *env[ENV_MAX])
{
    static const char *const kept[] = {"PATH",         "HOME",         "LANG",
                                       "TMPDIR",       "ASAN_OPTIONS", "UBSAN_OPTIONS",
                                       "LSAN_OPTIONS", "TSAN_OPTIONS"};

    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        if (getenv(kept[i]))
            env_put(env, world_text(w, "%s=%s", kept[i], getenv(kept[i])));
    env_put(env, world_text(w, "REDIS_URL=%s", redis_url_of(w, program)));
    env_put(env, world_text(w, "FLOTILLA_DATA_DIR=%s", w->dir));
    env_put(env, "FLOTILLA_ROUTING_CATALOGUE_MS=0"); /* a test of it says otherwise */
    if (w->sim_url) {
        env_put(env, world_text(w, "TOGETHER_BASE_URL=%s/v1", w->sim_url));
        env_put(env, "TOGETHER_API_KEY=a-key-of-the-tests");
        env_put(env, "FLOTILLA_WEBHOOKS_ALLOW_NETWORKS=127.0.0.0/8");
    }
    if (w->http_port)
        env_put(env, world_text(w, "FLOTILLA_HTTP_LISTEN=127.0.0.1:%d", w->http_port));
}

static const char *unique_name(struct world *w, const char *program)
{
    const char *base = strrchr(program, '/') ? strrchr(program, '/') + 1 : program;
    int n = 1;

    for (struct program *p = w->private->programs; p; p = p->next)
        n += strncmp(p->name, base, strlen(base)) == 0 && p->name[strlen(base)] == '-';
    return world_text(w, "%s-%d", base, n);
}

struct program *world_run(struct world *w, const struct run_spec *run)
{
    const char *argv[ARGS_MAX] = {run->program}, *env[ENV_MAX] = {NULL};
    struct program *p;
    size_t n = 0;

    for (; run->args && run->args[n]; n++) {
        if (n + 2 >= ARGS_MAX)
            ck_abort_msg("over %d arguments", ARGS_MAX - 2);
        argv[n + 1] = run->args[n];
    }
    env_base(w, run->program, env);
    for (const char *const *s = run->settings; s && *s; s++)
        env_put(env, *s);
    p = program_start(&(struct program_spec){.name = unique_name(w, run->program),
                                             .dir = w->dir,
                                             .argv = argv,
                                             .env = env,
                                             .input = run->input});
    p->next = w->private->programs;
    w->private->programs = p;
    return p;
}

static const char *program_path(struct world *w, const char *name)
{
    const char *path = strchr(name, '/') ? name : world_text(w, "%s/%s", world_build_dir(), name);

    if (access(path, X_OK))
        ck_abort_msg("%s: %s (make builds it)", path, strerror(errno));
    return path;
}

struct program *world_start(struct world *w, const char *name, const char *const *args,
                            const char *const *settings)
{
    return world_run(w, &(struct run_spec){program_path(w, name), args, settings, NULL});
}

static struct program *start_with(struct world *w, const char *name, va_list ap)
{
    const char *settings[ENV_MAX] = {NULL};
    size_t n = 0;

    while (n + 1 < ENV_MAX && (settings[n] = va_arg(ap, const char *)))
        n++;
    return world_start(w, name, NULL, settings);
}

struct program *world_start_scheduler_with(struct world *w, ...)
{
    struct program *p;
    va_list ap;

    w->http_port = world_free_port();
    va_start(ap, w);
    p = start_with(w, "flotilla-scheduler", ap);
    va_end(ap);
    return p;
}

struct program *world_start_worker_with(struct world *w, ...)
{
    struct program *p;
    va_list ap;

    va_start(ap, w);
    p = start_with(w, "flotilla-worker", ap);
    va_end(ap);
    return p;
}

void world_stop_at(struct world *w, struct program *p, int timeout_ms, const char *file, int line)
{
    int code = program_stop(p, timeout_ms);

    if (code != 0)
        world_fail_at(w, file, line, "%s ended with %d after SIGTERM", p->name, code);
}

size_t world_worker_pids(struct program *supervisor, pid_t *pids, size_t max)
{
    return program_children(supervisor->pid, pids, max);
}

struct cli world_cli_run(struct world *w, const char *input, const char *const *args)
{
    struct run_spec run = {program_path(w, "flotilla"), args, NULL, input};
    struct program *p = world_run(w, &run);
    struct cli cli;

    cli.exit_code = program_wait(p, CLI_MS);
    cli.out = world_own(w, program_out(p), free);
    cli.err = world_own(w, program_err(p), free);
    return cli;
}

/* ---- HTTP ------------------------------------------------------------------- */
static void free_answer(void *p)
{
    web_answer_done(p);
    free(p);
}

struct web_answer world_request(struct world *w, const char *method, const char *url,
                                const char *body)
{
    struct web_answer *a = malloc(sizeof *a);

    if (!a)
        abort();
    *a = web_request(method, url, body, NULL);
    world_own(w, a, free_answer);
    return *a;
}

struct web_answer world_http(struct world *w, const char *method, const char *path,
                             const char *body)
{
    const char *url = world_text(w, "http://127.0.0.1:%d%s", w->http_port, path);

    return world_request(w, method, url, body ? world_quoted(w, body) : NULL);
}

void world_wait_ready(struct world *w)
{
    WAIT_UNTIL(w, 10000, world_http(w, "GET", "/readyz", NULL).status == 200);
}

int world_free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) || getsockname(fd, (struct sockaddr *)&a, &n))
        ck_abort_msg("no free port: %s", strerror(errno));
    close(fd);
    return ntohs(a.sin_port);
}

/* ---- waiting ---------------------------------------------------------------- */
void world_wait_more(struct world *w, int64_t until_ms, const char *what, const char *file,
                     int line)
{
    fail_on_surprise(w, what);
    if (now_ms() > until_ms)
        world_fail_at(w, file, line, "waited in vain for: %s", what);
    pause_ms(LOOK_EVERY_MS);
}

void world_fail_at(struct world *w, const char *file, int line, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    for (struct program *p = w->private->programs; p; p = p->next)
        program_print_tail(p, 15);
    fprintf(stderr, "---- the rest is in %s\n", w->dir);
    _ck_assert_failed(file, line, text, NULL);
    abort(); /* not reached: Check ended this process, or jumped */
}
