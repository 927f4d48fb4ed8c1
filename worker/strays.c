/* strays.c - see strays.h.
 *
 * It should not happen: a start whose answer was lost is sent again.  But an
 * active job that no process works on would be stuck for ever, so the look at
 * the active set, once a minute, ends here. */
#include "worker/strays.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "worker/outbox.h"
#include "worker/process.h"
#include "worker/run.h"

struct stray {
    struct process *p;
    char *id;
};

static void on_record(void *arg, const struct reply *reply, const struct err *err)
{
    struct stray *s = arg;
    struct span bytes = reply_span(reply);
    struct record rec;

    (void)err;
    if (bytes.p && record_read(bytes.p, bytes.n, &rec) && rec.state == JOB_STATE_ACTIVE &&
        !strncmp(rec.token, work_tag(s->p->id), WORKER_TAG) && !run_find(s->p, s->id)) {
        const struct defer d = {.id = s->id, .held = &rec, .next = rec, .front = true};

        log_event(LOG_WARN, "stray.given_back", "job=%s", s->id);
        outbox_defer(s->p->outbox, &d, NULL);
    }
    free(s->id);
    free(s);
}

void strays_give_back(struct process *p, const char *id)
{
    struct stray *s = xcalloc(1, sizeof *s);
    struct redis_args a;

    s->p = p;
    s->id = xstrdup(id);
    redis_args_init(&a);
    redis_arg_str(&a, "GET");
    keys_arg(&a, p->keys.job, id);
    redis_send(p->redis, &a, on_record, s);
}
