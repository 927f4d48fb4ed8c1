/* sim_admin.c - the simulator's own calls under /_sim: the ledger and the levers. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/core/clock.h"
#include "common/core/json.h"
#include "common/core/parse.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_handlers.h"

static void say(struct sim_call *c, bool ok, const struct err *err)
{
    if (ok)
        buf_puts(&c->reply.body, "{\"ok\":true}\n");
    else
        sim_call_error(c, 400, "sim", NULL, NULL, "%s", err->msg);
}

void sim_on_ledger(struct sim_call *c)
{
    struct span query = sim_http_span(c->http.query, c->bytes);
    char text[32];
    int64_t since = 0;
    bool items = !sim_http_query(query, "items", text, sizeof(text)) || strcmp(text, "0") != 0;

    if (sim_http_query(query, "since", text, sizeof(text)) &&
        !parse_int64(text, strlen(text), 0, INT64_MAX, &since)) {
        sim_call_error(c, 400, "sim", "since", NULL, "since: a number of an item");
        return;
    }
    sim_ledger_print(&c->sim->ledger, &c->sim->models, items, (size_t)since, &c->reply.body);
}

void sim_on_reset(struct sim_call *c)
{
    struct err err = {0};

    say(c, sim_reset(c->sim, &err), &err);
}

void sim_on_faults(struct sim_call *c) { sim_faults_print(&c->sim->faults, &c->reply.body); }

void sim_on_add_faults(struct sim_call *c)
{
    struct err err = {0};

    say(c, sim_faults_add_text(&c->sim->faults, sim_http_span(c->http.body, c->bytes), &err), &err);
}

void sim_on_add_hook_rules(struct sim_call *c)
{
    struct err err = {0};

    say(c, sim_faults_add_text(&c->sim->hook_rules, sim_http_span(c->http.body, c->bytes), &err),
        &err);
}

/* ---- behaviour of models ---- */

/* The JSON body as an object; NULL and a 400 when it is none. */
static json_t *read_object(struct sim_call *c)
{
    struct span text = sim_http_span(c->http.body, c->bytes);
    json_error_t je;
    json_t *doc = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &je);

    if (!json_is_object(doc)) {
        sim_call_error(c, 400, "sim", NULL, NULL, "expected a JSON object: %s",
                       doc ? "this is something else" : je.text);
        json_decref(doc);
        return NULL;
    }
    return doc;
}

/* Apply {name: value} to the model that the document names, or to all. */
static void set_one(struct sim_call *c, json_t *doc, const char *name, json_t *take_value)
{
    json_t *model = json_object_get(doc, "model"), *settings = json_object();
    struct err err = {0};

    json_object_set_new(settings, name, take_value);
    say(c, sim_models_set(&c->sim->models, json_string_value(model), settings, &err), &err);
    json_decref(settings);
}

void sim_on_set_latency(struct sim_call *c)
{
    json_t *doc = read_object(c);

    if (doc)
        set_one(c, doc, "latency_ms", json_incref(json_object_get(doc, "ms")));
    json_decref(doc);
}

/* start_per_s 0, or none, switches the rule off. */
void sim_on_set_rate(struct sim_call *c)
{
    json_t *doc = read_object(c);

    if (doc)
        set_one(c, doc, "rate",
                json_number_value(json_object_get(doc, "start_per_s")) > 0 ? json_incref(doc)
                                                                           : json_null());
    json_decref(doc);
}

void sim_on_rates(struct sim_call *c)
{
    struct sim_models *models = &c->sim->models;
    int64_t now = clock_mono_us();
    struct buf *b = &c->reply.body;
    bool first = true;

    buf_putc(b, '{');
    for (size_t i = 0; i < models->count; i++) {
        struct sim_rate *r = &models->rows[i].rate;

        if (!r->on)
            continue;
        sim_rate_look(r, now);
        buf_puts(b, first ? "" : ",");
        json_add_text(b, models->rows[i].id);
        buf_printf(b,
                   ":{\"limit_per_s\":%.3f,\"allowed\":%.3f,\"passed\":%lld,\"refused\":%lld,"
                   "\"tokens\":%.0f,\"tokens_refused\":%lld}",
                   r->limit, r->allowed, (long long)r->passed, (long long)r->refused_in_all,
                   r->tokens, (long long)r->tokens_refused);
        first = false;
    }
    buf_puts(b, "}\n");
}

/* {"<model>" or "*": {settings}, ...} */
void sim_on_set_models(struct sim_call *c)
{
    json_t *doc = read_object(c), *settings;
    struct err err = {0};
    const char *id;
    bool ok = true;

    if (!doc)
        return;
    json_object_foreach (doc, id, settings) {
        if (ok &&
            !sim_models_set(&c->sim->models, strcmp(id, "*") != 0 ? id : NULL, settings, &err))
            ok = err_wrap(&err, "%s", id);
    }
    say(c, ok, &err);
    json_decref(doc);
}
