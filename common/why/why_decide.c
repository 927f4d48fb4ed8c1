/* why_decide.c - from facts to the first reason that holds: pure.  See why.h.
 *
 *     ended? running? waiting for others? --> put aside until later: why? --> its queue: paused, no
 *                                                                             workers, others first
 *
 * The order is that in which a job meets them; of a job that was put aside, the step that it comes
 * back to names the reason.  A new reason is a row of why.def and a branch here. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/core/json.h"
#include "common/why/why.h"

static const struct {
    const char *code, *text;
} reasons[] = {
#define X(REASON, code, text) [WHY_##REASON] = {code, text},
#include "common/why/why.def"
};

const char *why_code(enum why_reason reason) { return reasons[reason].code; }

/* At which step a job was deferred (worker/inference/inference_steps.def). */
static const struct {
    const char *step;
    enum why_reason reason;
} steps[] = {{"pace", WHY_RATE}, {"budget", WHY_BUDGET}, {"cache", WHY_EQUAL}};

static enum why_reason reason_delayed(const struct why_facts *f)
{
    if (f->rec.parks) /* also when it was parked before */
        for (size_t i = 0; i < ARRAY_LEN(steps); i++)
            if (!strcmp(f->rec.step, steps[i].step))
                return steps[i].reason;
    if (f->rec.parked_ms)
        return f->stop[0]     ? WHY_STOPPED
               : f->no_key[0] ? WHY_NO_KEY
               : f->route[0]  ? WHY_ROUTE
                              : WHY_PARKED;
    return f->rec.attempts ? WHY_RETRY : WHY_DELAYED;
}

static enum why_reason reason_of(const struct why_facts *f)
{
    if (job_state_ended(f->rec.state))
        return WHY_ENDED;
    if (f->rec.state == JOB_STATE_ACTIVE)
        return WHY_RUNNING;
    if (f->rec.state == JOB_STATE_WAITING)
        return WHY_CHILDREN;
    if (f->rec.due_ms > f->now_ms)
        return reason_delayed(f);
    if (f->due && !f->scheduler)
        return WHY_NO_SCHEDULER;
    if (f->paused)
        return WHY_PAUSED;
    if (f->workers == 0 && !f->no_workers)
        return WHY_NO_WORKERS;
    if (f->no_place)
        return WHY_UNKNOWN;
    if (f->ahead > 0 || (!f->listed && f->length > 0))
        return WHY_QUEUED;
    return f->listed ? WHY_READY : WHY_TAKEN;
}

/* When it comes back for good: not at a look in between. */
static int64_t later(const struct why_facts *f, enum why_reason reason)
{
    if (reason == WHY_RATE && f->turn_ms)
        return f->turn_ms;
    return reason == WHY_BUDGET ? max64(f->full_ms, f->rec.due_ms) : f->rec.due_ms;
}

/* By the pace of what ended lately; what is due later comes to the front of its queue then. */
static int64_t starts(const struct why_facts *f, enum why_reason reason)
{
    int64_t ahead = f->listed ? f->ahead : 0;

    if (reason == WHY_PAUSED || reason == WHY_NO_SCHEDULER || reason == WHY_NO_WORKERS ||
        reason == WHY_CHILDREN || job_state_ended(f->rec.state) ||
        (f->length > 0 && !f->listed && f->rec.due_ms <= f->now_ms))
        return 0;
    if (f->rec.state == JOB_STATE_ACTIVE)
        return f->rec.started_ms;
    if (f->rec.due_ms > f->now_ms)
        return later(f, reason);
    if (f->running + ahead < f->slots)
        return f->now_ms;
    return f->finished ? f->now_ms + (ahead + 1) * f->finished_ms / f->finished : 0;
}

PRINTF(2, 3) static void say(struct why *w, const char *fmt, ...)
{
    size_t n = strlen(w->text);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(w->text + n, sizeof w->text - n, fmt, ap);
    va_end(ap);
}

static const char *stop_text(const char *code)
{
    enum err_kind kind = err_kind_of(code, strlen(code));

    return kind != ERR_NONE ? err_text(kind) : code;
}

/* What belongs to the reason itself. */
static void say_reason(const struct why_facts *f, struct why *w)
{
    if (w->reason == WHY_ENDED)
        say(w, ": %s%s%s%s", job_state_name(f->rec.state), f->error[0] ? " (" : "", f->error,
            f->error[0] ? ")" : "");
    else if (w->reason == WHY_RETRY && !f->failure[0])
        say(w, " (%d failed)", f->rec.attempts);
    else if (w->reason == WHY_STOPPED)
        say(w, ": %s; `flotilla doctor` shows more", stop_text(f->stop));
    else if (w->reason == WHY_NO_KEY)
        say(w, ", '%s'", f->no_key);
    else if (w->reason == WHY_RUNNING && (job_type_flags(f->rec.type) & JOB_CALLS))
        say(w, ": its call is in flight, or it waits in a worker for its turn or an equal call");
    else if (w->reason == WHY_NO_WORKERS && f->others > 0)
        say(w, " that takes from its queue, %s", queue_name(f->rec.queue));
    else if (w->reason == WHY_RATE && f->rate[0])
        say(w, ": %s", f->rate);
    else if (w->reason == WHY_ROUTE)
        say(w, ": %s", f->route);
    else if (w->reason == WHY_BUDGET && f->budget[0])
        say(w, ": %s%s", f->budget, f->full_ms > f->now_ms ? "; its next period begins then" : "");
    else if (w->reason == WHY_PAUSED)
        say(w, "; `flotilla resume %s` ends that", queue_name(f->rec.queue));
    else if (w->reason == WHY_QUEUED && f->listed)
        say(w, ": %lld of %lld", (long long)f->ahead, (long long)f->length);
    else if (w->reason == WHY_QUEUED)
        say(w, ": %lld wait there", (long long)f->length);
}

/* What is worth knowing whatever the reason is. */
static void say_rest(const struct why_facts *f, struct why *w)
{
    if (f->rec.state == JOB_STATE_READY && f->workers > 0 && f->running >= f->slots)
        say(w, "; all %lld slots are taken", (long long)f->slots);
    if (f->failure[0] && w->reason != WHY_ENDED)
        say(w, "; failed %lld time%s so far, the last time: %s", (long long)f->failures,
            f->failures == 1 ? "" : "s", f->failure);
    if (f->unknown[0])
        say(w, "; not known, as Redis refused: %s", f->unknown);
}

static int64_t until(const struct why_facts *f, enum why_reason reason)
{
    if (f->rec.due_ms > f->now_ms && f->rec.state == JOB_STATE_READY)
        return later(f, reason);
    return reason == WHY_ROUTE ? f->route_ms : 0;
}

void why_decide(const struct why_facts *f, struct why *ret)
{
    *ret = (struct why){.reason = reason_of(f)};
    ret->until_ms = until(f, ret->reason);
    ret->starts_ms = starts(f, ret->reason);
    say(ret, "%s", reasons[ret->reason].text);
    say_reason(f, ret);
    say_rest(f, ret);
}

static void add_time(struct buf *out, const char *name, int64_t ms)
{
    if (ms > 0)
        json_add_int(out, name, ms);
    else
        json_add_raw(out, name, (struct span){"null", 4});
}

/* "workers, pace" as a list. */
static void add_unknown(struct buf *out, const char *words)
{
    bool first = true;

    json_add_key(out, "unknown");
    buf_putc(out, '[');
    while (*words) {
        size_t n = strcspn(words, ",");

        if (!first)
            buf_putc(out, ',');
        json_add_string(out, words, n);
        first = false;
        words += n + strspn(words + n, ", ");
    }
    buf_putc(out, ']');
}

void why_write(const char *id, const struct why_facts *f, const struct why *w, struct buf *out)
{
    buf_putc(out, '{');
    json_add_str(out, "id", id);
    json_add_str(out, "state", record_state_name(&f->rec, f->now_ms));
    json_add_str(out, "reason", why_code(w->reason));
    json_add_str(out, "text", w->text);
    add_time(out, "until", w->until_ms);
    add_time(out, "starts_at", w->starts_ms);
    if (f->listed)
        json_add_int(out, "ahead", f->ahead);
    else
        json_add_raw(out, "ahead", (struct span){"null", 4});
    json_add_int(out, "failures", f->failures);
    if (f->failure[0])
        json_add_str(out, "last_failure", f->failure);
    else
        json_add_raw(out, "last_failure", (struct span){"null", 4});
    add_unknown(out, f->unknown);
    if (f->cost_at_most_nanousd >= 0)
        json_add_int(out, "cost_at_most_nanousd", f->cost_at_most_nanousd);
    else
        json_add_raw(out, "cost_at_most_nanousd", (struct span){"null", 4});
    buf_putc(out, '}');
}
