/* main.c - the demo: 500 mixed jobs through the real programs, with failures.
 *
 *   demo answers             the questions and answers, for together-sim --answers
 *   demo run SIMULATOR-URL   push, watch, kill, report; needs scheduler and worker running
 *   demo clean               remove the demo's keys from Redis
 *
 * demo.sh starts and stops the servers around it and sets the environment; the
 * settings are those of the programs.  Exit: 0 everything is as it must be. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/log.h"
#include "deploy/demo/demo.h"

enum { PATIENCE_MS = 60000, PATIENCE_REAL_MS = 300000 };

static int fail(const struct err *err)
{
    fprintf(stderr, "demo: %s\n", err->msg);
    return 1;
}

static void introduce(const struct demo *d)
{
    printf("%sflotilla%s: %d documents, %lld worker processes, %s\n\n", tint(TINT_BOLD),
           tint(TINT_NONE), DOCUMENTS, (long long)d->cfg->workers_processes,
           d->real ? "Together AI itself: these calls cost a few cents"
                   : "a simulated provider with faults");
}

static int run(struct demo *d)
{
    struct err err = {0};
    bool over;

    plan_documents(d);
    introduce(d);
    if (!plan_faults(d, &err) || !watch_workers(d, &err))
        return fail(&err);
    watch_push(d);
    over = watch_run(d, d->real ? PATIENCE_REAL_MS : PATIENCE_MS);
    if (!over) {
        show_claim(false, "everything was done within %d s",
                   (d->real ? PATIENCE_REAL_MS : PATIENCE_MS) / 1000);
        report_alerts(d);
    }
    if (!gather(d, &err))
        return fail(&err);
    return report(d) && over ? 0 : 1;
}

int main(int argc, char **argv)
{
    static struct demo d;
    const char *what = argc > 1 ? argv[1] : "";
    struct err err = {0};
    int status = 0;

    questions_load(&d);
    if (!strcmp(what, "answers") && argc == 2) {
        questions_print(&d);
        return 0;
    }
    if (!(!strcmp(what, "run") && argc == 3) && !(!strcmp(what, "clean") && argc == 2)) {
        fprintf(stderr, "usage: demo answers | run SIMULATOR-URL | clean\n");
        return 2;
    }
    log_setup("demo", LOG_ERROR, LOG_LOGFMT);
    d.cfg = config_load(NULL, &err);
    if (!d.cfg)
        return fail(&err);
    d.real = d.cfg->providers_together_api_key[0] != '\0';
    d.sim = argc > 2 ? argv[2] : "";
    if (!talk_open(&d, &err))
        return fail(&err);
    show_init();
    if (!strcmp(what, "clean"))
        talk_clean(&d);
    else
        status = run(&d);
    talk_close(&d);
    config_free(d.cfg);
    return status;
}
