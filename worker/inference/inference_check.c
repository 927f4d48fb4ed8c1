/* inference_check.c - an answer must be the JSON that was asked for (together/validate.h).
 *
 *   invalid ─▶ asked again, so often ─▶ the job fails: invalid_output
 *
 * Asking again is no attempt of the job: nothing failed, the model said
 * something else.  It has a bound of its own, and the count goes through Redis
 * with the costs of the call, so that a crash neither loses nor repeats it; the
 * job goes to the front of its queue. */
#include "common/core/json.h"
#include "common/core/log.h"
#include "worker/inference/inference.h"
#include "worker/together/validate.h"

enum { SHOWN_BYTES = 160 };

int inference_invalid_so_far(const struct run *r)
{
    int64_t n;

    return json_read_int(json_at(run_progress(r), "invalid"), &n) ? (int)n : 0;
}

static bool validate(struct run *r, struct span answer, struct err *err)
{
    const struct inference *i = r->state;

    buf_clear(&r->structured);
    r->structured.max_bytes = answer.n + 64;
    return !together_wants_json(&i->req) ||
           together_validate(&i->req, answer, r->p->env.cfg->structured_unwrap, &r->structured,
                             err);
}

bool inference_fits(struct run *r, struct span answer)
{
    struct err err = {0};

    return validate(r, answer, &err);
}

static void ask_again(struct run *r, int64_t most)
{
    const struct inference *i = r->state;
    struct buf progress = BUF(64);

    buf_putc(&progress, '{');
    json_add_int(&progress, "invalid", i->invalid);
    buf_putc(&progress, '}');
    run_postpone(r, 0, buf_span(&progress));
    buf_done(&progress);
    inference_cache_again(r, most);
}

bool inference_check(struct run *r, struct span answer)
{
    struct inference *i = r->state;
    struct failure f = {.server_wait_ms = -1};
    struct err why = {0};
    char text[SHOWN_BYTES];
    int64_t most;

    if (validate(r, answer, &why))
        return true;
    i->invalid++;
    log_event(LOG_INFO, "answer.invalid", "job=%s times=%d msg=%s", r->id, i->invalid,
              log_quote(why.msg));
    most = together_validate_retries(&i->req, r->p->env.cfg->retry_invalid_output_attempts);
    if (i->invalid <= most) {
        ask_again(r, most);
        return false;
    }
    together_validate_show(&i->req, answer, r->p->env.cfg->structured_unwrap, text, sizeof text);
    err_set(&f.err, ERR_INVALID_OUTPUT, "%.300s; asked %d time%s; the last answer: %s", why.msg,
            i->invalid, i->invalid == 1 ? "" : "s", text);
    run_fail(r, &f);
    inference_cache_failed(r);
    return false;
}
