/* facts.c - see facts.h.  Only contracts are read, and what the command line prints. */
#include "tests/support/facts.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static void free_json(void *p) { json_decref(p); }

/* ---- jobs ---- */
json_t *facts_job(struct world *w, const char *id)
{
    struct cli cli = world_cli(w, "job", id, "--json");

    if (cli.exit_code != 0 && cli.exit_code != 4)
        world_fail(w, "flotilla job %s: %d: %s", id, cli.exit_code, cli.err);
    return cli.exit_code == 0 ? world_json(w, cli.out) : NULL;
}

void facts_push_noop(struct world *w, const char *id, const char *more)
{
    world_push(w, "{'id':'%s','type':'noop','payload':{}%s}", id, more);
}

void facts_push_text(struct world *w, const char *text) { world_push_raw(w, text, strlen(text)); }

void facts_push_chat(struct world *w, const char *id, const char *more)
{
    world_push(w, "{'id':'%s','type':'inference','payload':{'task':'chat','prompt':'Hello'}%s}", id,
               more);
}

void facts_command(struct world *w, const char *name, const char *what)
{
    struct cli cli = world_cli(w, name, what);

    ck_assert_msg(cli.exit_code == 0, "%s %s: %d: %s", name, what, cli.exit_code, cli.err);
}

int64_t facts_attempts(struct world *w, const char *id)
{
    return world_int_at(world_result(w, id)->doc, "attempts");
}

bool facts_has_state(struct world *w, const char *id, const char *state)
{
    json_t *job = facts_job(w, id);

    return job && strcmp(world_string_at(job, "state"), state) == 0;
}

const char *facts_result_text(struct world *w, const char *id)
{
    redisReply *entries = world_redis(w, "XREVRANGE fl:{0}:results + -");

    for (size_t i = 0; i < entries->elements; i++)
        if (strcmp(world_field(entries->element[i], "id")->str, id) == 0)
            return world_text(w, "%s", world_field(entries->element[i], "doc")->str);
    world_fail(w, "%s has no result", id);
}

int64_t facts_ms_of(json_t *result, const char *from, const char *to)
{
    return world_int_at(result, to) - world_int_at(result, from);
}

/* ---- money ---- */
json_t *facts_costs(struct world *w, const char *id)
{
    json_t *all = world_costs(w), *mine = world_own(w, json_array(), free_json), *cost;
    size_t i;

    json_array_foreach (all, i, cost) {
        if (strcmp(world_string_at(cost, "job_id"), id) == 0)
            json_array_append(mine, cost);
    }
    return mine;
}

bool facts_flagged(json_t *cost, const char *flag)
{
    json_t *flags = json_object_get(cost, "flags"), *one;
    size_t i;

    json_array_foreach (flags, i, one) {
        if (strcmp(json_string_value(one), flag) == 0)
            return true;
    }
    return false;
}

size_t facts_count_flagged(json_t *costs, const char *flag)
{
    json_t *cost;
    size_t i, n = 0;

    json_array_foreach (costs, i, cost) {
        n += facts_flagged(cost, flag);
    }
    return n;
}

/* ---- the canned provider ---- */
const char canned_chat[] =
    "{\"id\": \"om1\", \"object\": \"chat.completion\", \"created\": 1780235475,"
    " \"model\": \"Qwen/Qwen3.5-9B\", \"choices\": [{\"index\": 0, \"message\": {\"role\":"
    " \"assistant\", \"content\": \"Yes.\"}, \"finish_reason\": \"stop\"}],"
    " \"usage\": {\"prompt_tokens\": 9, \"completion_tokens\": 3, \"total_tokens\": 12}}";

const char *canned_provider(struct world *w)
{
    return world_text(w, "TOGETHER_BASE_URL=%s/v1", world_hook_url(w, "provider"));
}

void canned_answer(struct world *w, const char *match, const char *body)
{
    json_t *rule = json_pack("{s:s, s:i, s:s, s:i, s:s*}", "path", "", "status", 200, "body", body,
                             "times", -1, "match", match);
    char *text = json_dumps(rule, JSON_COMPACT);

    json_decref(rule);
    world_sim(w, "POST", "/_sim/hooks", world_own(w, text, free));
}

json_t *canned_calls(struct world *w, const char *match)
{
    json_t *all = world_hooks(w), *some = world_own(w, json_array(), free_json), *call;
    size_t i;

    json_array_foreach (all, i, call) {
        if (strstr(world_string_at(call, "path"), "/provider/v1/") &&
            strstr(world_string_at(call, "body"), match))
            json_array_append(some, call);
    }
    return some;
}

int64_t canned_gap_ms(json_t *calls, size_t n)
{
    if (n + 1 >= json_array_size(calls))
        ck_abort_msg("there are only %zu calls", json_array_size(calls));
    return world_int_at(json_array_get(calls, n + 1), "received_ms") -
           world_int_at(json_array_get(calls, n), "received_ms");
}
