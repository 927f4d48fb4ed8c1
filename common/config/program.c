/* program.c - see program.h.
 *
 * A configuration that was replaced is kept until the end: calls under way, timers and tables point
 * into it, and a reload is rare. */
#include "common/config/program.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/core/log.h"
#include "common/core/visible.h"
#include "common/core/xalloc.h"

static const char *loaded_path, *loaded_name;

/* Configurations that were replaced. */
static struct old {
    struct config *cfg;
    struct old *next;
} * olds;

static int usage(const struct program *p, FILE *to, int status)
{
    fprintf(to,
            "usage: %s [-c FILE]\n%s\n\n"
            "  -c FILE    configuration (else $FLOTILLA_CONFIG, /etc/flotilla/flotilla.yaml, "
            "defaults)\n"
            "  --version  print the version\n"
            "  --help     this text\n\n"
            "Settings come from the file and the environment; `flotilla config show` lists them.\n",
            p->name, p->usage);
    return status;
}

const char *program_config_path(void) { return loaded_path; }

void program_log(const char *name, const struct config *cfg)
{
    log_setup(name, (enum log_level)cfg->log_level, (enum log_format)cfg->log_format);
}

/* Else the next file or connection gets the number of a standard stream that is closed, and what is
 * printed or logged goes there.  What stands in its place cannot be used: a write is an error. */
static void hold_standard_fds(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
}

void program_seal(const struct config *cfg)
{
    struct rlimit r;
    bool open = cfg && cfg->log_core_dumps;

    hold_standard_fds();
    (void)prctl(PR_SET_DUMPABLE, open ? 1 : 0);
    if (cfg && !open && getrlimit(RLIMIT_CORE, &r) == 0) {
        r.rlim_cur = 0;
        (void)setrlimit(RLIMIT_CORE, &r);
    }
}

static void print_bad(const char *name, const struct err *err)
{
    struct buf line = BUF(sizeof err->msg * VISIBLE_MAX);

    visible_add(&line, err->msg, strlen(err->msg));
    fprintf(stderr, "%s: %s\n", name, line.n ? line.p : "");
    buf_done(&line);
}

static void raise_file_limit(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &r);
    }
}

/* Until they are listened for they would end the program: a reload that comes while it starts is
 * heard then. */
static void hold_signals(void)
{
    sigset_t held;

    sigemptyset(&held);
    sigaddset(&held, SIGHUP);
    sigaddset(&held, SIGUSR1);
    sigprocmask(SIG_BLOCK, &held, NULL);
}

int program_start(const struct program *p, int argc, char **argv, struct config **ret)
{
    static const struct option longs[] = {{"config", required_argument, NULL, 'c'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'V'},
                                          {0}};
    struct err err = {0};
    int c;

    program_seal(NULL);
    hold_signals();
    while ((c = getopt_long(argc, argv, "c:hV", longs, NULL)) != -1) {
        if (c == 'c') {
            loaded_path = optarg;
        } else if (c == 'V') {
            printf("%s %s\n", p->name, FLOTILLA_VERSION);
            return 0;
        } else {
            return usage(p, c == 'h' ? stdout : stderr, c == 'h' ? 0 : 2);
        }
    }
    if (optind < argc)
        return usage(p, stderr, 2);
    *ret = config_load(loaded_path, &err);
    if (!*ret) {
        print_bad(p->name, &err);
        return 78;
    }
    program_seal(*ret);
    loaded_name = p->name;
    program_log(p->name, *ret);
    for (size_t i = 0; i < (*ret)->warning_count; i++)
        log_event(LOG_WARN, "config.ignored", "msg=%s", log_quote((*ret)->warnings[i]));
    signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    return -1;
}

static void keep(struct config *cfg)
{
    struct old *o = xcalloc(1, sizeof *o);

    o->cfg = cfg;
    o->next = olds;
    olds = o;
}

bool program_reload(struct config **cfg)
{
    struct err err = {0};
    struct config *fresh = config_load(loaded_path, &err);
    struct buf changed = BUF(65536), restart = BUF(65536);

    if (!fresh) {
        log_err(LOG_ERROR, "reload.refused", &err);
        return false;
    }
    config_diff(*cfg, fresh, &changed, &restart);
    log_event(LOG_INFO, "reload", "changed=%s needs_restart=%s",
              log_quote(changed.n ? changed.p : ""), log_quote(restart.n ? restart.p : ""));
    buf_done(&changed);
    buf_done(&restart);
    config_keep_boot(fresh, *cfg);
    program_log(loaded_name, fresh);
    keep(*cfg);
    *cfg = fresh;
    return true;
}

void program_end(struct config *cfg)
{
    config_free(cfg);
    while (olds) {
        struct old *o = olds;

        olds = o->next;
        config_free(o->cfg);
        free(o);
    }
}
