/* notes.c - see notes.h.
 *
 * A note is read back into the event that it was written from.  Tokens and confirmed costs are not
 * read, as such an event has none.  What is no document of ours becomes an event without an
 * estimate that is flagged unpriced: it is added and deleted like the others, or its worker could
 * not be buried. */
#include "common/queue/notes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/xalloc.h"

struct note {
    struct cost_event e;
    bool given;
    char *doc; /* tenant and tags point into it */
    char job[96], root[96], provider[128], model[512], requested[512];
};

void note_write(struct cost_event *e, const struct record *held, int n, struct buf *out)
{
    struct buf name = BUF_ON(e->event_id);

    buf_puts(&name, e->job_id);
    buf_putc(&name, ':');
    cost_add_call(&name, held, e->attempt, 0);
    buf_int(&name, n);
    cost_write(e, out);
}

/* ---- reading ---- */

static struct span text_of(struct span doc, const char *name, char *text, size_t size)
{
    if (!json_read_text(json_at(doc, name), text, size))
        text[0] = '\0';
    return (struct span){text[0] ? text : NULL, strlen(text)};
}

static unsigned read_flags(struct span doc)
{
    struct span list = json_at(doc, "flags");
    struct json_iter it;
    unsigned set = 0;

    if (!list.n || !json_iter_init(&it, list.p, list.n))
        return COST_UNCONFIRMED | COST_UNPRICED;
    while (json_next(&it))
        set |= cost_flag_of(json_unquoted(it.value));
    return set;
}

static void read_doc(struct note *n, struct span doc)
{
    struct cost_event *e = &n->e;
    struct span type = json_unquoted(json_at(doc, "type"));
    int64_t attempt = 0;

    n->doc = xstrndup(doc.p, doc.n);
    doc.p = n->doc;
    e->job_id = n->job;
    e->type = type.n ? job_type_of(type.p, type.n) : JOB_INFERENCE;
    e->tenant = json_at(doc, "tenant");
    e->tags = json_at(doc, "tags");
    if (text_of(doc, "root_id", n->root, sizeof n->root).n)
        e->root_id = n->root;
    if (text_of(doc, "provider", n->provider, sizeof n->provider).n)
        e->provider = n->provider;
    e->model = text_of(doc, "model", n->model, sizeof n->model);
    e->requested_model = text_of(doc, "requested_model", n->requested, sizeof n->requested);
    if (json_read_int(json_at(doc, "attempt"), &attempt))
        e->attempt = (int)attempt;
    if (!json_read_int(json_at(doc, "estimate_nanousd"), &e->cost.estimate_nanousd))
        e->cost.flags = COST_UNPRICED;
    e->cost.flags |= read_flags(doc) | COST_UNCONFIRMED;
    cost_read_units(json_at(doc, "units"), &e->cost);
}

/* The job's id ends at the first colon of a name: it has none itself. */
static struct note *read_note(struct span name, struct span doc)
{
    struct note *n = xcalloc(1, sizeof *n);
    const char *colon = memchr(name.p, ':', name.n);
    size_t id = colon ? (size_t)(colon - name.p) : name.n;

    snprintf(n->job, sizeof n->job, "%.*s", (int)id, name.p);
    snprintf(n->e.note, sizeof n->e.note, "%.*s", (int)name.n, name.p);
    read_doc(n, doc);
    if (!json_read_text(json_at((struct span){n->doc, doc.n}, "event_id"), n->e.event_id,
                        sizeof n->e.event_id))
        snprintf(n->e.event_id, sizeof n->e.event_id, "%s:1:1:0-0.0", n->job);
    return n;
}

void notes_read(struct notes *ret, const struct reply *reply)
{
    size_t n = reply_count(reply) / 2;

    *ret = (struct notes){.of = xcalloc(n + 1, sizeof(struct note *))};
    for (size_t i = 0; i < n; i++) {
        struct span name = reply_span(reply_at(reply, 2 * i));

        if (name.n && name.n < COST_NOTE)
            ret->of[ret->count++] = read_note(name, reply_span(reply_at(reply, 2 * i + 1)));
    }
    ret->events = xcalloc(ret->count + 1, sizeof *ret->events);
}

void notes_done(struct notes *n)
{
    for (size_t i = 0; i < n->count; i++) {
        free(n->of[i]->doc);
        free(n->of[i]);
    }
    free(n->of);
    free(n->events);
    *n = (struct notes){0};
}

/* ---- giving out ---- */

static const struct cost_event *give(struct note *n, int64_t at_ms)
{
    n->given = true;
    n->e.at_ms = at_ms;
    return &n->e;
}

size_t notes_of_job(struct notes *n, const char *job, int64_t at_ms, const struct cost_event **ret)
{
    size_t count = 0;

    for (size_t i = 0; i < n->count; i++)
        if (!n->of[i]->given && !strcmp(n->of[i]->job, job))
            n->events[count++] = *give(n->of[i], at_ms);
    *ret = count ? n->events : NULL;
    return count;
}

const struct cost_event *notes_rest(struct notes *n, int64_t at_ms)
{
    for (size_t i = 0; i < n->count; i++)
        if (!n->of[i]->given)
            return give(n->of[i], at_ms);
    return NULL;
}
