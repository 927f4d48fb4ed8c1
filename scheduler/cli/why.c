/* why.c - `why`: what a job waits for, when it should start, and what it should cost.
 *
 * Asking and deciding is common/why/why.h, which other faces share; here it is only printed. */
#include "common/why/why.h"

#include <stdio.h>
#include <string.h>

#include "scheduler/cli/cli.h"

struct asked {
    struct cli *c;
    bool done;
    int status;
};

static void show(const struct why_answer *w)
{
    int64_t now = w->facts.now_ms;

    printf("state      %s\nbecause    ", record_state_name(&w->facts.rec, now));
    cli_put_text((int)strlen("because    "), (struct span){w->why.text, strlen(w->why.text)});
    if (w->why.until_ms)
        printf("until      %s\n", cli_when(w->why.until_ms, now));
    if (w->facts.rec.state == JOB_STATE_READY && w->why.starts_ms)
        printf("starts     %s\n",
               w->why.starts_ms <= now ? "now" : cli_when(w->why.starts_ms, now));
    if (w->facts.cost_at_most_nanousd >= 0)
        printf("costs      at most %s\n", cli_usd(w->facts.cost_at_most_nanousd));
}

static void why_on_answer(void *arg, const struct why_answer *w, const struct err *err)
{
    struct asked *a = arg;
    struct buf out = BUF(1 << 20);

    a->done = true;
    a->status = w && w->why.reason == WHY_UNKNOWN ? CLI_FAILED : CLI_OK;
    if (!w && err->kind == ERR_NOT_FOUND) {
        a->status = cli_fail(CLI_NOT_FOUND, "%s", err->msg);
    } else if (!w) {
        a->status = CLI_FAILED;
        cli_refused(a->c, "GET", err);
    } else if (a->c->json) {
        why_write(w->id, &w->facts, &w->why, &out);
        printf("%s\n", out.p);
    } else {
        show(w);
    }
    buf_done(&out);
}

int cli_why(struct cli *c)
{
    struct asked a = {.c = c, .status = CLI_OK};
    const struct why_options o = {
        .redis = c->redis, .keys = &c->keys, .cfg = c->cfg, .defaults = &c->defaults};

    if (c->argc != 1 || cli_has_option(c))
        return cli_usage(c);
    why_ask(&o, c->argv[0], why_on_answer, &a);
    while (!a.done)
        loop_turn(c->loop, 100);
    return a.status;
}
