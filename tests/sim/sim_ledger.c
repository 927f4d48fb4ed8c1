/* sim_ledger.c - the provider's side of the account.
 *
 *   open (request read) ──▶ close (answer written: billed; client gone: aborted)
 *
 * Tests compare this with what flotilla says it spent, so it counts what a
 * provider would count and knows nothing of jobs.
 */
#include "tests/sim/sim_ledger.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/core/json.h"
#include "common/core/xalloc.h"

static void drop_items(struct sim_ledger *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->items[i].asked);
        free(l->items[i].custom_id);
    }
    l->count = 0;
}

void sim_ledger_done(struct sim_ledger *l)
{
    drop_items(l);
    free(l->items);
    *l = (struct sim_ledger){0};
}

void sim_ledger_reset(struct sim_ledger *l)
{
    drop_items(l);
    l->requests = l->billed_nanousd = l->in_flight = l->most_in_flight = 0;
    l->epoch++;
}

static int64_t wall_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Looking at the catalogue is no call: it is listed, but not counted. */
static bool is_call(const char *path)
{
    return strcmp(path, "/models") != 0 && strcmp(path, "/whoami") != 0;
}

struct sim_ledger_ref sim_ledger_open(struct sim_ledger *l, const char *path)
{
    struct sim_ledger_ref ref = {.index = l->count, .epoch = l->epoch, .open = true};

    l->requests += is_call(path);
    if (++l->in_flight > l->most_in_flight)
        l->most_in_flight = l->in_flight;
    if (l->count == SIM_LEDGER_ITEMS_MAX)
        return ref;
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 1024;
        l->items = xrealloc(l->items, l->cap * sizeof(*l->items));
    }
    l->items[l->count++] = (struct sim_ledger_item){.path = path, .received_us = wall_us()};
    return ref;
}

void sim_ledger_close(struct sim_ledger *l, struct sim_ledger_ref *ref,
                      const struct sim_ledger_item *item)
{
    if (!ref->open || ref->epoch != l->epoch)
        return;
    ref->open = false;
    l->in_flight--;
    l->billed_nanousd += item->billed_nanousd;
    if (item->model) {
        item->model->requests++;
        item->model->billed_nanousd += item->billed_nanousd;
    }
    if (ref->index < l->count) {
        const struct sim_ledger_item opened = l->items[ref->index];
        l->items[ref->index] = *item;
        l->items[ref->index].path = opened.path;
        l->items[ref->index].received_us = opened.received_us;
        l->items[ref->index].asked = item->asked && *item->asked ? xstrdup(item->asked) : NULL;
        l->items[ref->index].custom_id = xstrdup(item->custom_id);
    }
}

static void print_item(const struct sim_ledger_item *it, size_t seq, struct buf *out)
{
    buf_putc(out, '{');
    json_add_int(out, "seq", (int64_t)seq);
    json_add_key(out, "path");
    buf_printf(out, "\"%s%s\"", strncmp(it->path, "/v2/", 4) != 0 ? "/v1" : "", it->path);
    json_add_str(out, "model", it->model ? it->model->id : it->asked);
    json_add_int(out, "status", it->status);
    json_add_int(out, "prompt_tokens", it->prompt_tokens);
    json_add_int(out, "completion_tokens", it->completion_tokens);
    json_add_int(out, "billed_nanousd", it->billed_nanousd);
    json_add_int(out, "received_us", it->received_us);
    json_add_bool(out, "aborted", it->aborted);
    json_add_str(out, "custom_id", it->custom_id);
    buf_putc(out, '}');
}

void sim_ledger_print(const struct sim_ledger *l, const struct sim_models *models, bool with_items,
                      size_t since, struct buf *out)
{
    buf_putc(out, '{');
    json_add_int(out, "requests", l->requests);
    json_add_int(out, "in_flight", l->in_flight);
    json_add_int(out, "most_in_flight", l->most_in_flight);
    json_add_int(out, "billed_nanousd", l->billed_nanousd);
    buf_puts(out, ",\"by_model\":{");
    for (size_t i = 0; i < models->count; i++) {
        const struct sim_model *m = &models->rows[i];
        if (!m->requests)
            continue;
        json_add_key(out, m->id);
        buf_putc(out, '{');
        json_add_int(out, "requests", m->requests);
        json_add_int(out, "billed_nanousd", m->billed_nanousd);
        buf_putc(out, '}');
    }
    buf_putc(out, '}');
    if (with_items) {
        buf_puts(out, ",\"items\":[");
        for (size_t i = since; i < l->count; i++) {
            buf_puts(out, i > since ? ",\n" : "\n");
            print_item(&l->items[i], i, out);
        }
        buf_putc(out, ']');
    }
    buf_puts(out, "}\n");
}
