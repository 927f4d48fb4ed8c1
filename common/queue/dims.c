/* dims.c - see dims.h.
 *
 * Jobs of a batch are much alike: a few sets serve them all.  Only the latest SETS_SEARCHED are
 * compared, as a set that is written twice is only some bytes more.
 *
 * Another dimension is a line of write_dims(); the scripts add up whatever they are told. */
#include "common/queue/dims.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/xalloc.h"

enum { SETS_SEARCHED = 32, SET_MAX_BYTES = 64 << 20 };

struct dim_set {
    char *text;
    size_t n;
};

void dims_init(struct dims *d)
{
    *d = (struct dims){.scratch = BUF(SET_MAX_BYTES)};
    redis_args_init(&d->sets);
}

void dims_done(struct dims *d)
{
    for (size_t i = 0; i < d->count; i++)
        free(d->set[i].text);
    free(d->set);
    redis_args_done(&d->sets);
    buf_done(&d->scratch);
}

static void add_dim(struct buf *b, const char *name, struct span text)
{
    buf_puts(b, name);
    buf_add_span(b, text);
    buf_putc(b, '\0');
}

static void write_dims(struct buf *b, const struct cost_event *e)
{
    const char *type = job_type_name(e->type);
    struct json_iter it;

    buf_clear(b);
    add_dim(b, "total", (struct span){"", 0});
    add_dim(b, "model:", e->model);
    add_dim(b, "type:", (struct span){type, strlen(type)});
    if (!json_absent(e->tenant))
        add_dim(b, "tenant:", json_unquoted(e->tenant));
    if (e->tags.n && json_iter_init(&it, e->tags.p, e->tags.n))
        while (json_next(&it)) {
            buf_puts(b, "tag:");
            buf_add_span(b, it.key);
            add_dim(b, "=", json_unquoted(it.value));
        }
}

static void write_set(struct dims *d, const char *text, size_t n)
{
    size_t k = 0;

    for (size_t i = 0; i < n; i++)
        k += text[i] == '\0';
    redis_arg_int(&d->sets, (int64_t)k);
    for (const char *p = text; p < text + n; p += strlen(p) + 1)
        redis_arg_str(&d->sets, p);
}

size_t dims_of(struct dims *d, const struct cost_event *e)
{
    struct buf *b = &d->scratch;

    write_dims(b, e);
    for (size_t i = d->count; i-- > 0 && d->count - i <= SETS_SEARCHED;)
        if (d->set[i].n == b->n && !memcmp(d->set[i].text, b->p, b->n))
            return i + 1;
    if (d->count == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 8;
        d->set = xrealloc(d->set, d->cap * sizeof *d->set);
    }
    d->set[d->count].n = b->n;
    d->set[d->count].text = xmalloc(b->n);
    memcpy(d->set[d->count].text, b->p, b->n);
    write_set(d, b->p, b->n);
    return ++d->count;
}
