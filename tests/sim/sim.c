/* sim.c - the state of the simulator and its script.
 *
 * The script is a JSON file: what the levers under /_sim can set, given at
 * the start.
 *
 *   {"models": {"*": {"latency_ms": 20}, "Qwen/Qwen3.5-9B": {"rate": {"start_per_s": 50}}},
 *    "faults": [{"fixture": "throttled", "times": 3}],
 *    "hooks": [{"status": 500, "times": 2}]}
 */
#include "tests/sim/sim.h"

#include <string.h>

#include <jansson.h>

static bool apply_models(struct sim *s, json_t *models, struct err *err)
{
    const char *id;
    json_t *settings;

    if (models && !json_is_object(models))
        return err_set(err, ERR_CONFIG, "models: expected an object");
    json_object_foreach (models, id, settings) {
        if (!sim_models_set(&s->models, strcmp(id, "*") != 0 ? id : NULL, settings, err))
            return err_wrap(err, "models: %s", id);
    }
    return true;
}

static bool apply_script(struct sim *s, struct err *err)
{
    json_error_t je;
    json_t *models = NULL, *faults = NULL, *hooks = NULL, *doc;
    bool ok;

    if (!s->script)
        return true;
    doc = json_load_file(s->script, JSON_REJECT_DUPLICATES, &je);
    ok = doc && !json_unpack_ex(doc, &je, JSON_STRICT, "{s?o,s?o,s?o}", "models", &models, "faults",
                                &faults, "hooks", &hooks);
    if (!ok)
        err_set(err, ERR_CONFIG, "line %d: %s", je.line, je.text);
    ok = ok && apply_models(s, models, err) &&
         (!faults || sim_faults_add(&s->faults, faults, err)) &&
         (!hooks || sim_faults_add(&s->hook_rules, hooks, err));
    json_decref(doc);
    return ok || err_wrap(err, "%s", s->script);
}

bool sim_init(struct sim *s, int64_t latency_ms, struct err *err)
{
    sim_models_init(&s->models, latency_ms);
    return apply_script(s, err);
}

bool sim_reset(struct sim *s, struct err *err)
{
    sim_models_reset(&s->models);
    sim_ledger_reset(&s->ledger);
    sim_faults_reset(&s->faults);
    sim_faults_reset(&s->hook_rules);
    sim_hooks_reset(&s->hooks);
    sim_files_reset(&s->files);
    return apply_script(s, err);
}

void sim_done(struct sim *s)
{
    sim_ledger_done(&s->ledger);
    sim_faults_reset(&s->faults);
    sim_faults_reset(&s->hook_rules);
    sim_hooks_reset(&s->hooks);
    sim_files_reset(&s->files);
    sim_answers_free(s->answers);
    sim_models_done(&s->models);
}
