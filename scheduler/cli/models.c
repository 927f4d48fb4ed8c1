/* models.c - `flotilla models`: what can be called at which price, and why the router would.
 *
 * The plain table is the configuration's; with --all it is that of the workers, with what
 * catalogues list and what was added at run time.  With --explain the router's own
 * choice is made here, for a job of that task and priority that names no
 * model (or `auto`), with the health and the stopped keys that the fleet has written down; without
 * Redis, with none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/digest.h"
#include "common/core/parse.h"
#include "common/core/xalloc.h"
#include "common/route/health_state.h"
#include "common/route/select.h"
#include "scheduler/cli/cli.h"

/* ---- cells ---- */

/* Names of bits, with a mark behind those of `marked`. */
static void set_text(const struct model_set *set, unsigned bits, unsigned marked, char *text,
                     size_t size)
{
    size_t n = 0;

    text[0] = '\0';
    for (size_t i = 0; i < set->count; i++)
        if ((bits & 1U << i) && n < size)
            n += (size_t)snprintf(text + n, size - n, "%s%s%s", n ? " " : "", set->names[i],
                                  marked & 1U << i ? "*" : "");
}

static void price_cell(struct cli_table *t, int64_t nanousd)
{
    if (nanousd < 0)
        cli_table_cell(t, "%s", "-");
    else
        cli_table_cell(t, "%lld.%04lld", (long long)(nanousd / 1000000000),
                       (long long)(nanousd % 1000000000 / 100000));
}

static void permille_cell(struct cli_table *t, int permille)
{
    cli_table_cell(t, "%d.%02d", permille / 1000, permille % 1000 / 10);
}

static const char *called_text(const struct model *m)
{
    return !m->allowed || !m->tasks ? "no" : m->routed ? "yes" : "by name";
}

/* ---- the table ---- */

static json_t *ids_json(const struct model_ids *ids)
{
    json_t *list = json_array();

    for (size_t i = 0; i < ids->count; i++)
        json_array_append_new(list, json_string(ids->of[i]));
    return list;
}

static json_t *model_json(const struct model *m)
{
    char tasks[128], features[64];

    set_text(&model_tasks, m->tasks, m->default_for, tasks, sizeof tasks);
    set_text(&model_features, m->features, 0, features, sizeof features);
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:i, s:f, s:I, s:s, s:b, s:b, s:I, s:s?, "
                     "s:o}",
                     "id", m->id, "provider", m->provider, "tasks", tasks,
                     "input_nanousd_per_million", (json_int_t)m->in_nanousd,
                     "output_nanousd_per_million", (json_int_t)m->out_nanousd,
                     "cached_nanousd_per_million", (json_int_t)m->cached_nanousd, "context",
                     (json_int_t)m->context, "batch_percent", m->batch_percent, "quality",
                     m->quality_permille / (double)QUALITY_MAX, "p50_ms", (json_int_t)m->p50_ms,
                     "features", features, "allowed", m->allowed, "routed", m->routed,
                     "max_concurrency", (json_int_t)m->max_concurrency, "replacement",
                     m->replacement, "fallbacks", ids_json(&m->fallbacks));
}

static void model_row(struct cli_table *t, const struct model *m)
{
    char tasks[128], features[64];

    set_text(&model_tasks, m->tasks, m->default_for, tasks, sizeof tasks);
    set_text(&model_features, m->features, 0, features, sizeof features);
    cli_table_cell(t, "%s", m->id);
    cli_table_cell(t, "%s", m->provider);
    cli_table_cell(t, "%s", tasks);
    price_cell(t, m->in_nanousd);
    price_cell(t, m->out_nanousd);
    price_cell(t, m->cached_nanousd);
    if (m->context > 0)
        cli_table_cell(t, "%lld", (long long)m->context);
    else
        cli_table_cell(t, "-");
    permille_cell(t, m->quality_permille);
    cli_table_cell(t, "%lld", (long long)m->p50_ms);
    cli_table_cell(t, "%s", features);
    cli_table_cell(t, "%s", called_text(m));
}

static const char *source_text(const struct route *r)
{
    static const char *const texts[] = {[ROUTE_CONFIG] = "configuration",
                                        [ROUTE_RUNTIME] = "added",
                                        [ROUTE_CATALOGUE] = "catalogue"};

    return texts[r->source];
}

/* One row, with where it comes from when source is told. */
static void list_one(struct cli_table *t, json_t *list, const struct model *m, const char *source)
{
    json_t *row = model_json(m);

    model_row(t, m);
    if (source) {
        cli_table_cell(t, "%s", source);
        json_object_set_new(row, "from", json_string(source));
    }
    json_array_append_new(list, row);
}

static int list_models(struct cli *c, bool all)
{
    static const char *const headers[] = {
        "MODEL",   "PROVIDER", "TASKS (* default)", "$ IN/M", "$ OUT/M", "$ CACHED/M", "CONTEXT",
        "QUALITY", "P50 MS",   "FEATURES",          "CALLED", "FROM"};
    struct cli_table *t = cli_table_new(c, headers, ARRAY_LEN(headers) - !all);
    struct routes *live = all ? cli_live_routes(c) : NULL;
    json_t *list = json_array();

    for (size_t i = 0; live && i < live->count; i++)
        if (live->of[i]->there)
            list_one(t, list, &live->of[i]->model, source_text(live->of[i]));
    for (size_t i = 0; !live && i < c->cfg->models.count; i++)
        list_one(t, list, &c->cfg->models.rows[i], NULL);
    routes_free(live);
    cli_print(c, t, list);
    return CLI_OK;
}

/* ---- --explain ---- */

/* What the fleet has written down of health, or of stopped keys, as far as it can be had. */
static json_t *read_all(struct cli *c, const char *of)
{
    json_t *all = json_object();
    const struct reply *r;

    if (!c->redis || !redis_is_ready(c->redis)) /* told */
        return all;
    r = cli_callv(c, "HGETALL", of, NULL);
    for (size_t i = 0; i + 1 < reply_count(r); i += 2) {
        struct span name = reply_span(reply_at(r, i)), record = reply_span(reply_at(r, i + 1));
        char text[HEALTH_NAME];

        snprintf(text, sizeof text, "%.*s", (int)name.n, name.p);
        json_object_set_new(all, text, json_stringn(record.p, record.n));
    }
    return all;
}

struct known {
    json_t *health, *stops;
    const char *preferred; /* the model that stands first whatever its score; NULL: none does */
};

/* Why workers do not use it but for want of another; "" they do.  They have the keys that are
 * configured here. */
static const char *key_text(const struct known *k, const struct config_provider *p)
{
    char fingerprint[DIGEST_TEXT];

    if (!p->api_key && !p->loopback)
        return "open: no key";
    digest_text((struct span){p->api_key, p->api_key ? strlen(p->api_key) : 0}, fingerprint);
    return json_object_get(k->stops, fingerprint) ? "open: its key is stopped" : "";
}

static struct route_health health_of(void *arg, const struct route *r)
{
    const struct known *k = arg;
    struct route_health ret = {ROUTE_FINE, 0};
    struct health_state s;
    char name[HEALTH_NAME];
    const json_t *record;

    snprintf(name, sizeof name, "%s %s", r->model.provider, r->model.id);
    record = json_object_get(k->health, name);
    if (record &&
        health_read((struct span){json_string_value(record), json_string_length(record)}, &s)) {
        ret.p50_ms = s.p50_ms;
        if (s.breaker != HEALTH_CLOSED)
            ret.state = s.reason == HEALTH_SLOW   ? ROUTE_SLOW
                        : s.reason == HEALTH_GONE ? ROUTE_GONE
                                                  : ROUTE_OPEN;
    }
    if (ret.state != ROUTE_GONE && *key_text(k, r->provider))
        ret.state = ROUTE_OPEN;
    return ret;
}

static const char *state_text(const struct known *k, const struct candidate *c)
{
    const char *about_key = c->health.state == ROUTE_OPEN ? key_text(k, c->route->provider) : "";

    return *about_key ? about_key : route_state_name(c->health.state);
}

/* The default of the task stands before those of a higher score. */
static bool is_preferred(const struct known *k, const struct candidate *c)
{
    return k->preferred && !strcmp(c->route->model.id, k->preferred);
}

static json_t *candidate_json(const struct known *k, const struct candidate *c, int rank)
{
    bool in = c->why == ROUTE_IN;

    return json_pack("{s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:s?, s:b}", "rank",
                     in ? json_integer(rank) : json_null(), "id", c->route->model.id, "provider",
                     c->route->model.provider, "score", in ? json_real(c->score) : json_null(),
                     "price", in ? json_real(c->price) : json_null(), "latency",
                     in ? json_real(c->latency) : json_null(), "quality",
                     in ? json_real(c->quality) : json_null(), "p50_ms",
                     json_integer(c->health.p50_ms ? c->health.p50_ms : c->route->model.p50_ms),
                     "state", route_state_name(c->health.state), "left_out",
                     in ? NULL : route_out_text(c->why), "is_default", in && is_preferred(k, c));
}

static void rating_cell(struct cli_table *t, bool in, double v)
{
    if (in)
        cli_table_cell(t, "%.3f", v);
    else
        cli_table_cell(t, "%s", "-");
}

static void candidate_row(struct cli_table *t, const struct known *k, const struct candidate *c,
                          int rank)
{
    bool in = c->why == ROUTE_IN;
    int64_t measured = c->health.p50_ms;

    if (in)
        cli_table_cell(t, "%d", rank);
    else
        cli_table_cell(t, "%s", "-");
    cli_table_cell(t, "%s", c->route->model.id);
    cli_table_cell(t, "%s", c->route->model.provider);
    rating_cell(t, in, c->score);
    rating_cell(t, in, c->price);
    rating_cell(t, in, c->latency);
    rating_cell(t, in, c->quality);
    cli_table_cell(t, "%lld%s", (long long)(measured ? measured : c->route->model.p50_ms),
                   measured ? "" : " expected");
    cli_table_cell(t, "%s%s", in ? state_text(k, c) : route_out_text(c->why),
                   in && is_preferred(k, c)
                       ? "; it is the default of its task, which comes before any score"
                       : "");
}

static void print_candidates(struct cli *c, const struct known *k, const struct candidate *all,
                             size_t n)
{
    static const char *const headers[] = {"#",       "MODEL",  "PROVIDER",
                                          "SCORE",   "PRICE",  "LATENCY",
                                          "QUALITY", "P50 MS", "STATE, OR WHY NOT"};
    struct cli_table *t = cli_table_new(c, headers, ARRAY_LEN(headers));
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        candidate_row(t, k, &all[i], (int)i + 1);
        json_array_append_new(list, candidate_json(k, &all[i], (int)i + 1));
    }
    cli_print(c, t, list);
}

/* CLI_OK, or how it went wrong: told. */
static int read_needs(struct cli *c, struct route_needs *ret)
{
    const char *task = cli_option(c, "--task"), *priority = cli_option(c, "--priority");

    *ret = (struct route_needs){.priority = JOB_STANDARD, .automatic = cli_flag(c, "--auto")};
    ret->task = (enum task_bit)(task ? task_of(task, strlen(task)) : TASK_CHAT);
    if (!ret->task)
        return cli_fail(CLI_USAGE,
                        "--task: expected chat, completion, code, embedding, image or rerank; got "
                        "'%s'",
                        task);
    if (priority && !job_priority_of(priority, &ret->priority))
        return cli_fail(CLI_USAGE, "--priority: expected realtime, standard or batch; got '%s'",
                        priority);
    return CLI_OK;
}

static int explain(struct cli *c, const struct route_needs *needs)
{
    struct routes *table = cli_live_routes(c);
    struct candidate *all = xcalloc(table->count + 1, sizeof *all);
    struct known known = {read_all(c, key(&c->keys, KEY_HEALTH)),
                          read_all(c, key(&c->keys, KEY_STOPS)), NULL};
    const struct route *first = table->defaults[task_index(needs->task)];
    const struct route_view view = {health_of, &known};
    struct route_rules rules;

    route_rules_from(&rules, c->cfg);
    if (rules.default_first && !needs->automatic && first)
        known.preferred = first->model.id;
    print_candidates(c, &known, all, route_explain(table, &rules, needs, &view, all, table->count));
    json_decref(known.health);
    json_decref(known.stops);
    free(all);
    routes_free(table);
    return CLI_OK;
}

int cli_models(struct cli *c)
{
    struct route_needs needs;
    bool why = cli_flag(c, "--explain"), all = cli_flag(c, "--all");
    int wrong = read_needs(c, &needs);

    if (wrong)
        return wrong;
    if (c->argc > 0)
        return cli_usage(c);
    return why ? explain(c, &needs) : list_models(c, all);
}
