/* sim_hooks.c - a receiver of webhooks.
 *
 * Everything is recorded before it is answered, so that a test sees also the
 * deliveries that were refused, late or cut.
 */
#include "tests/sim/sim_hooks.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/json.h"
#include "common/core/xalloc.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_handlers.h"

void sim_hooks_reset(struct sim_hooks *h)
{
    for (size_t i = 0; i < h->kept; i++) {
        free(h->items[i].path);
        free(h->items[i].headers);
        free(h->items[i].body);
    }
    free(h->items);
    *h = (struct sim_hooks){0};
}

/* All headers as a JSON object with names in lower case; the last of equal ones wins in most
 * readers. */
static char *headers_json(const struct sim_call *c)
{
    struct buf b = BUF(2 * SIM_HTTP_HEAD_MAX);
    struct span name, value;
    char lower[128];
    size_t at = 0;

    buf_putc(&b, '{');
    while (sim_http_next_header(&c->http, c->bytes, &at, &name, &value)) {
        size_t n = 0;
        for (; n < name.n && n + 1 < sizeof(lower); n++)
            lower[n] = (char)tolower((unsigned char)name.p[n]);
        lower[n] = '\0';
        json_add_key(&b, lower);
        json_add_string(&b, value.p, value.n);
    }
    buf_putc(&b, '}');
    return buf_take(&b);
}

static void record(struct sim_call *c, int status)
{
    struct sim_hooks *h = &c->sim->hooks;
    struct span path = sim_http_span(c->http.path, c->bytes);
    struct span body = sim_http_span(c->http.body, c->bytes);
    struct sim_hook *hook;

    h->count++;
    if (h->kept == SIM_HOOKS_MAX)
        return;
    if (!h->items)
        h->items = xcalloc(SIM_HOOKS_MAX, sizeof(*h->items));
    hook = &h->items[h->kept++];
    hook->path = xstrndup(path.p, path.n);
    hook->headers = headers_json(c);
    hook->body_bytes = body.n;
    hook->kept_bytes = body.n < SIM_HOOK_BODY_MAX ? body.n : SIM_HOOK_BODY_MAX;
    hook->body = xstrndup(body.p, hook->kept_bytes);
    hook->received_ms = clock_wall_ms();
    hook->status = status;
}

void sim_on_hook(struct sim_call *c)
{
    struct span path = sim_http_span(c->http.path, c->bytes);
    const struct sim_fault *rule = NULL;

    if (c->sim->hook_rules.first)
        rule = sim_faults_take(&c->sim->hook_rules, path, (struct span){NULL, 0},
                               sim_http_span(c->http.body, c->bytes));
    if (rule && rule->status)
        sim_call_replace(c, rule);
    else
        buf_puts(&c->reply.body, "{\"ok\":true}\n");
    if (rule)
        sim_call_bend(c, rule);
    record(c, c->reply.close == SIM_CLOSE_BEFORE ? 0 : c->reply.status);
}

static void print_hook(struct buf *b, const struct sim_hook *hook, size_t seq)
{
    struct span headers = {hook->headers, strlen(hook->headers)};

    buf_puts(b, seq ? ",\n{" : "\n{");
    json_add_int(b, "seq", (int64_t)seq);
    json_add_str(b, "path", hook->path);
    json_add_int(b, "status", hook->status);
    json_add_int(b, "received_ms", hook->received_ms);
    json_add_raw(b, "id", json_at(headers, "webhook-id"));
    json_add_raw(b, "timestamp", json_at(headers, "webhook-timestamp"));
    json_add_raw(b, "signature", json_at(headers, "webhook-signature"));
    json_add_raw(b, "headers", headers);
    json_add_int(b, "body_bytes", (int64_t)hook->body_bytes);
    json_add_key(b, "body");
    json_add_string(b, hook->body, hook->kept_bytes);
    buf_putc(b, '}');
}

void sim_on_hooks(struct sim_call *c)
{
    const struct sim_hooks *h = &c->sim->hooks;
    struct buf *b = &c->reply.body;
    char text[8];

    buf_printf(b, "{\"count\":%" PRId64, h->count);
    if (!sim_http_query(sim_http_span(c->http.query, c->bytes), "items", text, sizeof(text)) ||
        strcmp(text, "0") != 0) {
        buf_puts(b, ",\"hooks\":[");
        for (size_t i = 0; i < h->kept; i++)
            print_hook(b, &h->items[i], i);
        buf_putc(b, ']');
    }
    buf_puts(b, "}\n");
}
