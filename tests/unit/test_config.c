#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "common/config/config_parts.h"

static const char *no_env[] = {NULL};

static struct config *build(const char *text, const char *const *env, struct err *err)
{
    return config_build("f.yaml", text, text ? strlen(text) : 0, env, err);
}

/* A configuration that must load. */
static struct config *good(const char *text)
{
    struct err err = {0};
    struct config *c = build(text, no_env, &err);

    ck_assert_msg(c, "%s", err.msg);
    return c;
}

/* ---- what loads ---- */

START_TEST(defaults_alone_are_a_configuration)
{
    struct config *c = good(NULL);
    int64_t ms[32];

    ck_assert_str_eq(c->redis_url, "redis://127.0.0.1:6379");
    ck_assert_int_eq(c->workers_concurrency, 256);
    ck_assert(!c->providers_allow_http);
    ck_assert_int_eq(c->log_level, 2);
    ck_assert_str_eq(c->TOP_data_dir, "/var/lib/flotilla");
    ck_assert_ptr_null(c->path);
    ck_assert_uint_eq(c->provider_count, 1);
    ck_assert_ptr_null(config_provider(c, "together")->api_key);
    ck_assert(!config_provider(c, "together")->loopback);
    ck_assert_uint_eq(config_webhook_schedule(c, ms, ARRAY_LEN(ms)), 10);
    ck_assert_int_eq(ms[1], 5000);
    ck_assert_int_eq(ms[9], 86400000);
    ck_assert_uint_eq(config_webhook_schedule(c, ms, 3), 3);
    config_free(c);
    config_free(NULL);
}
END_TEST

START_TEST(without_groups_one_serves_all_queues)
{
    struct config *c = good("workers: {processes: 3, concurrency: 9}");
    const struct config_group *g = config_group(c, "default");

    ck_assert_uint_eq(c->group_count, 1);
    ck_assert_ptr_nonnull(g);
    ck_assert_int_eq(g->processes, 3);
    ck_assert_int_eq(g->concurrency, 9);
    ck_assert_uint_eq(g->queue_count, 8);
    ck_assert_str_eq(g->queues[0].name, "inference.realtime");
    ck_assert_int_eq(g->queues[0].weight, 16);
    ck_assert_str_eq(g->queues[7].name, "noop");
    ck_assert_int_eq(g->queues[7].weight, 4);
    ck_assert_ptr_null(config_group(c, "other"));
    config_free(c);
}
END_TEST

START_TEST(a_file_sets_scalars_of_every_type)
{
    struct config *c = good("redis:\n  url: unix:///run/redis.sock\n"
                            "providers: {allow_http: yes, together_base_url: 'http://x.lan/v1//'}\n"
                            "retry:\n"
                            "log: {level: debug, format: json}\n"
                            "webhooks:\n  allow_networks: [10.0.0.0/8, 'fd00::/8']\n"
                            "  schedule_ms: [0, 10]\n"
                            "data_dir: /srv\n");
    int64_t ms[32];

    ck_assert_str_eq(c->redis_url, "unix:///run/redis.sock");
    ck_assert(c->providers_allow_http);
    ck_assert_str_eq(config_provider(c, "together")->base_url, "http://x.lan/v1");
    ck_assert_int_eq(c->log_level, 3);
    ck_assert_int_eq(c->log_format, 1);
    ck_assert_str_eq(c->webhooks_allow_networks, "10.0.0.0/8,fd00::/8");
    ck_assert_uint_eq(config_webhook_schedule(c, ms, 32), 2);
    ck_assert_str_eq(c->TOP_data_dir, "/srv");
    ck_assert_str_eq(c->path, "f.yaml");
    config_free(c);
}
END_TEST

START_TEST(groups_are_read_with_weights_or_names)
{
    struct config *c = good("workers:\n  groups:\n"
                            "    - name: people\n      processes: 4\n      concurrency: 32\n"
                            "      queues: {inference.realtime: 7, webhook: , eval: 1000}\n"
                            "    - {name: rest, queues: [noop, batch]}\n");
    const struct config_group *g = config_group(c, "people");

    ck_assert_uint_eq(c->group_count, 2);
    ck_assert_int_eq(g->processes, 4);
    ck_assert_int_eq(g->concurrency, 32);
    ck_assert_uint_eq(g->queue_count, 3);
    ck_assert_int_eq(g->queues[0].weight, 7);
    ck_assert_int_eq(g->queues[1].weight, 4);
    ck_assert_int_eq(g->queues[2].weight, 1000);
    g = config_group(c, "rest");
    ck_assert_int_eq(g->processes, 2);
    ck_assert_int_eq(g->concurrency, 256);
    ck_assert_str_eq(g->queues[1].name, "batch");
    ck_assert_int_eq(g->queues[1].weight, 2);
    config_free(c);
}
END_TEST

START_TEST(models_override_fields_and_add_rows)
{
    struct config *c =
        good("providers:\n  others:\n    - {name: l, base_url: 'http://[::1]:1/v1/'}\n"
             "models:\n"
             "  - {id: openai/gpt-oss-20b, input_usd: 0.123456789, default_for: [chat]}\n"
             "  - {id: me/m, provider: l, tasks: [chat, code], output_usd: '2e-7',\n"
             "     context: 5, batch_discount_percent: 40, default_for: [code]}\n"
             "  - {id: me/e, tasks: [embedding], input_usd: 0}\n"
             "  - {id: me/i, tasks: [image], image_usd: 0.04, image_unit: piece}\n");
    const struct model *m = model_find(&c->models, "openai/gpt-oss-20b", 18);

    ck_assert_int_eq(m->in_nanousd, 123456789);
    ck_assert_int_eq(m->out_nanousd, 200000000);
    ck_assert_ptr_eq(model_default(&c->models, TASK_CHAT), m);
    ck_assert_ptr_eq(model_default(&c->models, TASK_CODE), model_find(&c->models, "me/m", 4));
    ck_assert_str_eq(model_default(&c->models, TASK_COMPLETION)->id, "Qwen/Qwen3.5-9B");
    m = model_find(&c->models, "me/m", 4);
    ck_assert_str_eq(m->provider, "l");
    ck_assert_uint_eq(m->tasks, TASK_CHAT | TASK_CODE);
    ck_assert_int_eq(m->in_nanousd, -1);
    ck_assert_int_eq(m->out_nanousd, 200);
    ck_assert_int_eq(m->context, 5);
    ck_assert_int_eq(m->batch_percent, 60);
    m = model_find(&c->models, "me/e", 4);
    ck_assert(m->in_nanousd == 0 && m->out_nanousd == 0 && m->cached_nanousd == -1);
    m = model_find(&c->models, "me/i", 4);
    ck_assert(m->image_nanousd == 40000000 && m->image_unit == IMAGE_PIECE && m->in_nanousd == 0);
    ck_assert_str_eq(config_provider(c, "l")->base_url, "http://[::1]:1/v1");
    ck_assert(config_provider(c, "l")->loopback);
    config_free(c);
}
END_TEST

static const struct {
    const char *url;
    bool loopback;
} urls[] = {
    {"http://127.0.0.1:9/v1", true},  {"http://127.255.3.4/v1", true},
    {"http://[::1]:80/v1", true},     {"https://localhost/v1", true},
    {"HTTP://LOCALHOST/v1", true},    {"https://127.0.0.1.evil.com/v1", false},
    {"https://localhost.lan", false}, {"https://128.0.0.1/v1", false},
    {"https://[::2]/v1", false},      {"https://10.1.2.3:65535/a/b", false},
};

START_TEST(loopback_is_told_from_the_host_alone)
{
    struct err err = {0};
    char env[128];
    const char *vars[] = {env, NULL};
    struct config *c;

    snprintf(env, sizeof(env), "TOGETHER_BASE_URL=%s", urls[_i].url);
    c = build(NULL, vars, &err);
    ck_assert_msg(c, "%s", err.msg);
    ck_assert_msg(c->providers[0].loopback == urls[_i].loopback, "%s", urls[_i].url);
    config_free(c);
}
END_TEST

/* ---- what does not load: the exact message ---- */

#define LONG_60           "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"
#define SECRET_OF(base64) "webhooks: {secret: 'whsec_" base64 "'}"
#define BAD_SECRET        "f.yaml:1: webhooks.secret: expected whsec_ and the base64 of 16 to 256 bytes"
#define GROUPS(text)      "workers:\n  groups:\n  - " text "\n"
#define MODELS(text)      "models:\n- " text "\n"
#define OTHERS(text)      "providers:\n  others:\n  - " text "\n"

/* clang-format off */
static const struct {
    const char *text, *says;
} bad_files[] = {
    /* names and shapes */
    {"workers:\n  concurency: 5\n", "f.yaml:2: workers.concurency: unknown setting; did you mean 'concurrency'?"},
    {"wrokers:\n  concurrency: 5\n", "f.yaml:1: wrokers: unknown setting; did you mean 'workers'?"},
    {"datadir: /x\n", "f.yaml:1: datadir: unknown setting; did you mean 'data_dir'?"},
    {"modles: []\n", "f.yaml:1: modles: unknown setting; did you mean 'models'?"},
    {"workers:\n  grups: []\n", "f.yaml:2: workers.grups: unknown setting; did you mean 'groups'?"},
    {"redis.url: x\n", "f.yaml:1: redis.url: unknown setting; write 'redis:' and below it 'url:'"},
    {"TOP:\n  data_dir: /x\n", "f.yaml:1: TOP: unknown setting; flotilla.yaml(5) lists what there is"},
    {"\"\": 1\n", "f.yaml:1: : unknown setting; flotilla.yaml(5) lists what there is"},
    {"- redis\n", "f.yaml:1: expected sections like 'redis:'; got a list"},
    {"just text\n", "f.yaml:1: expected sections like 'redis:'; got text"},
    {"redis: redis://x\n", "f.yaml:1: redis: expected settings below it; got text"},
    {"redis: [url]\n", "f.yaml:1: redis: expected settings below it; got a list"},
    {"redis:\n  url: a\n  url: b\n", "f.yaml:3: 'url' is given twice; first on line 2"},
    {"redis:\n  url:\n", "f.yaml:2: redis.url: expected text without control characters; got nothing (write \"\" for empty)"},
    {"redis:\n  url: {a: b}\n", "f.yaml:2: redis.url: expected text without control characters; got a map"},
    {"redis:\n  prefix: [a]\n", "f.yaml:2: redis.prefix: expected text without control characters; got a list"},
    {"workers:\n  processes:\n", "f.yaml:2: workers.processes: expected a whole number from 0 to 256; got nothing"},
    /* types and bounds */
    {"workers:\n  processes: many\n", "f.yaml:2: workers.processes: expected a whole number from 0 to 256; got 'many'"},
    {"workers:\n  processes: 257\n", "f.yaml:2: workers.processes: expected a whole number from 0 to 256; got '257'"},
    {"workers:\n  processes: -1\n", "f.yaml:2: workers.processes: expected a whole number from 0 to 256; got '-1'"},
    {"workers:\n  processes: 1.5\n", "f.yaml:2: workers.processes: expected a whole number from 0 to 256; got '1.5'"},
    {"redis:\n  connect_timeout_ms: 5s\n", "f.yaml:2: redis.connect_timeout_ms: expected a whole number of milliseconds from 10 to 600000; got '5s'"},
    {"limits:\n  job_bytes: 1MB\n", "f.yaml:2: limits.job_bytes: expected a whole number of bytes from 1000 to 67108864; got '1MB'"},
    {"limits: {memory_percent: 101}\n", "f.yaml:1: limits.memory_percent: expected a whole number of percent from 1 to 100; got '101'"},
    {"limits: {timeout_ms: 99999999999999999999}\n", "f.yaml:1: limits.timeout_ms: expected a whole number of milliseconds from 1 to 3600000; got '99999999999999999999'"},
    {"providers:\n  allow_http: maybe\n", "f.yaml:2: providers.allow_http: expected true or false; got 'maybe'"},
    {"log: {level: trace}\n", "f.yaml:1: log.level: expected one of error, warn, info, debug; got 'trace'"},
    {"log: {level: \"error|warn\"}\n", "f.yaml:1: log.level: expected one of error, warn, info, debug; got 'error|warn'"},
    {"log: {level: \"\"}\n", "f.yaml:1: log.level: expected one of error, warn, info, debug; got ''"},
    {"workers: {processes: " LONG_60 LONG_60 "}\n", "f.yaml:1: workers.processes: expected a whole number from 0 to 256; got '" LONG_60 "aaaaaaaaaabbbb...'"},
    {"http: {token: \"a\\nb\"}\n", "f.yaml:1: http.token: expected text without control characters"},
    {"redis: {prefix: \"a\\tb\"}\n", "f.yaml:1: redis.prefix: expected text without control characters; got 'a?b'"},
    /* syntax of texts */
    {"redis: {url: 'http://x'}\n", "f.yaml:1: redis.url: expected redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH"},
    {"redis: {url: 'redis://'}\n", "f.yaml:1: redis.url: expected redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH"},
    {"redis: {prefix: \"a b\"}\n", "f.yaml:1: redis.prefix: expected 1 to 32 of [A-Za-z0-9._-]; got 'a b'"},
    {"redis: {prefix: \"\"}\n", "f.yaml:1: redis.prefix: expected 1 to 32 of [A-Za-z0-9._-]; got ''"},
    {"redis: {prefix: 'a{b}'}\n", "f.yaml:1: redis.prefix: expected 1 to 32 of [A-Za-z0-9._-]; got 'a{b}'"},
    {"providers:\n  together_base_url: api.together.ai/v1\n", "f.yaml:2: providers.together_base_url: expected a URL that starts with https:// or http://; got 'api.together.ai/v1'"},
    {"providers:\n  together_base_url: http://api.together.ai/v1\n", "f.yaml:2: providers.together_base_url: expected https://, as http:// goes only to loopback unless providers.allow_http is true"},
    {"providers:\n  together_base_url: http://127.0.0.1.evil.com/v1\n", "f.yaml:2: providers.together_base_url: expected https://, as http:// goes only to loopback unless providers.allow_http is true"},
    {"providers:\n  together_base_url: 'https:///v1'\n", "f.yaml:2: providers.together_base_url: expected a URL like https://HOST/v1 or https://HOST:PORT/v1; got 'https:///v1'"},
    {"providers:\n  together_base_url: 'https://x:99999/v1'\n", "f.yaml:2: providers.together_base_url: expected a URL like https://HOST/v1 or https://HOST:PORT/v1; got 'https://x:99999/v1'"},
    {"providers:\n  together_base_url: 'https://[::g]/v1'\n", "f.yaml:2: providers.together_base_url: expected a URL like https://HOST/v1 or https://HOST:PORT/v1; got 'https://[::g]/v1'"},
    {"providers:\n  together_base_url: 'https://u:p@x/v1'\n", "f.yaml:2: providers.together_base_url: expected a URL without user and password; got 'https://u:p@x/v1'"},
    {"providers:\n  together_base_url: 'https://x/v1?a=b'\n", "f.yaml:2: providers.together_base_url: expected a URL without blanks, query and fragment; got 'https://x/v1?a=b'"},
    {"providers: {together_api_key: 'a b'}\n", "f.yaml:1: providers.together_api_key: expected visible ASCII characters without blanks"},
    {"http: {listen: '8420'}\n", "f.yaml:1: http.listen: expected ADDRESS:PORT like 127.0.0.1:8420 or [::1]:8420, or nothing; got '8420'"},
    {"http: {listen: ':8420'}\n", "f.yaml:1: http.listen: expected ADDRESS:PORT like 127.0.0.1:8420 or [::1]:8420, or nothing; got ':8420'"},
    {"http: {listen: 'example.com:80'}\n", "f.yaml:1: http.listen: expected ADDRESS:PORT like 127.0.0.1:8420 or [::1]:8420, or nothing; got 'example.com:80'"},
    {"http: {listen: '[::1:80'}\n", "f.yaml:1: http.listen: expected ADDRESS:PORT like 127.0.0.1:8420 or [::1]:8420, or nothing; got '[::1:80'"},
    {"http: {listen: '[::1]x80'}\n", "f.yaml:1: http.listen: expected ADDRESS:PORT like 127.0.0.1:8420 or [::1]:8420, or nothing; got '[::1]x80'"},
    {"http: {listen: '0.0.0.0:8420'}\n", "f.yaml:1: http.listen: expected http.listen to be a loopback address, or http.token to be set; got '0.0.0.0:8420' without a token"},
    {"http: {listen: '[::]:8420'}\n", "f.yaml:1: http.listen: expected http.listen to be a loopback address, or http.token to be set; got '[::]:8420' without a token"},
    {SECRET_OF("MTIzNDU2Nzg5MDEyMzQ1"), BAD_SECRET},         /* 15 bytes */
    {SECRET_OF("MTIzNDU2Nzg5MDEyMzQ1Ng="), BAD_SECRET},      /* padding cut */
    {SECRET_OF("MTIzNDU2Nzg5MDEyMzQ1N-=="), BAD_SECRET},     /* alphabet */
    {SECRET_OF("MTIzNDU2Nzg5MDEyMzQ=NTY="), BAD_SECRET},     /* padding inside */
    {"webhooks: {secret: 'MTIzNDU2Nzg5MDEyMzQ1Ng=='}", BAD_SECRET},
    {SECRET_OF(""), BAD_SECRET},
    {"webhooks: {allow_networks: '10.0.0.0'}\n", "f.yaml:1: webhooks.allow_networks: expected networks as ADDRESS/BITS, comma-separated; got '10.0.0.0'"},
    {"webhooks: {allow_networks: '10.0.0.0/33'}\n", "f.yaml:1: webhooks.allow_networks: expected networks as ADDRESS/BITS, comma-separated; got '10.0.0.0/33'"},
    {"webhooks: {allow_networks: '10.0.0.0/8,,::1/128'}\n", "f.yaml:1: webhooks.allow_networks: expected networks as ADDRESS/BITS, comma-separated; got '10.0.0.0/8,,::1/128'"},
    {"webhooks: {allow_networks: '::1/129'}\n", "f.yaml:1: webhooks.allow_networks: expected networks as ADDRESS/BITS, comma-separated; got '::1/129'"},
    {"webhooks: {schedule_ms: ''}\n", "f.yaml:1: webhooks.schedule_ms: expected 1 to 32 numbers of milliseconds up to 2592000000, comma-separated; got ''"},
    {"webhooks: {schedule_ms: '0,-1'}\n", "f.yaml:1: webhooks.schedule_ms: expected 1 to 32 numbers of milliseconds up to 2592000000, comma-separated; got '0,-1'"},
    {"webhooks: {schedule_ms: '0,'}\n", "f.yaml:1: webhooks.schedule_ms: expected 1 to 32 numbers of milliseconds up to 2592000000, comma-separated; got '0,'"},
    {"webhooks: {schedule_ms: '1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1'}\n",
     "f.yaml:1: webhooks.schedule_ms: expected 1 to 32 numbers of milliseconds up to 2592000000, comma-separated; got '1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1'"},
    {"scheduler: {name: 'a/b'}\n", "f.yaml:1: scheduler.name: expected nothing, or 1 to 64 of [A-Za-z0-9._-]; got 'a/b'"},
    {"data_dir: var/x\n", "f.yaml:1: data_dir: expected an absolute path; got 'var/x'"},
    /* relations */
    {"workers:\n  lease_ms: 2000\n", "f.yaml:2: workers.lease_ms: expected 3 x workers.heartbeat_ms to be at most workers.lease_ms; got 3000 and 2000"},
    {"workers:\n  heartbeat_ms: 5000\n", "f.yaml:2: workers.heartbeat_ms: expected 3 x workers.heartbeat_ms to be at most workers.lease_ms; got 15000 and 10000"},
    {"workers:\n  watchdog_ms: 10000\n", "f.yaml:2: workers.watchdog_ms: expected more than workers.lease_ms; got 10000 and 10000"},
    {"retry:\n  park_min_ms: 70000\n", "f.yaml:2: retry.park_min_ms: expected retry.park_min_ms to be at most retry.park_max_ms; got 70000 and 60000"},
    {"retry:\n  max_ms: 999\n", "f.yaml:2: retry.max_ms: expected retry.delay_ms to be at most retry.max_ms; got 1000 and 999"},
    {"retry:\n  max_ms: 4000\n", "f.yaml:2: retry.max_ms: expected retry.finetune_delay_ms to be at most retry.max_ms; got 5000 and 4000"},
    {"retry:\n  realtime_delay_ms: 300001\n", "f.yaml:2: retry.realtime_delay_ms: expected retry.realtime_delay_ms to be at most retry.max_ms; got 300001 and 300000"},
    /* groups */
    {"workers:\n  groups: 3\n", "f.yaml:2: workers.groups: expected a list ('- name: ...')"},
    {GROUPS("people"), "f.yaml:3: workers.groups[0]: expected a map ('name: ...'); got text"},
    {GROUPS("{queues: [noop]}"), "f.yaml:3: workers.groups[0]: expected a name"},
    {GROUPS("{name: a b, queues: [noop]}"), "f.yaml:3: workers.groups[0].name: expected 1 to 32 of [A-Za-z0-9._-]; got 'a b'"},
    {GROUPS("{name: a}"), "f.yaml:3: workers.groups[0]: expected queues, as 'queues: {inference.realtime: 16}' or a list"},
    {GROUPS("{name: a, queues: []}"), "f.yaml:3: workers.groups[0].queues: expected queues, as 'queues: {inference.realtime: 16}' or a list"},
    {GROUPS("name: a\n    queues:\n    - noop\n    - batsh"), "f.yaml:6: workers.groups[0].queues: 'batsh': unknown queue; did you mean 'batch'?"},
    {GROUPS("{name: a, queues: [noop, noop]}"), "f.yaml:3: workers.groups[0].queues: 'noop' is given twice"},
    {GROUPS("{name: a, queues: [[noop]]}"), "f.yaml:3: workers.groups[0].queues: expected names of queues; got a list"},
    {GROUPS("{name: a, queues: {noop: 0}}"), "f.yaml:3: workers.groups[0].queues: noop: expected a weight from 1 to 1000; got '0'"},
    {GROUPS("{name: a, queues: {noop: [1]}}"), "f.yaml:3: workers.groups[0].queues: noop: expected a weight from 1 to 1000; got a list"},
    {GROUPS("{name: a, proceses: 1, queues: [noop]}"), "f.yaml:3: workers.groups[0].proceses: unknown field; did you mean 'processes'?"},
    {GROUPS("{name: a, processes: 300, queues: [noop]}"), "f.yaml:3: workers.groups[0].processes: expected a whole number from 0 to 256; got '300'"},
    {GROUPS("{name: a, concurrency: 0, queues: [noop]}"), "f.yaml:3: workers.groups[0].concurrency: expected a whole number from 1 to 10000; got '0'"},
    {GROUPS("{name: a, queues: [noop]}\n  - {name: a, queues: [eval]}"), "f.yaml:4: workers.groups[1].name: expected another name; 'a' is taken"},
    {GROUPS("{name: a, queues: [noop]}\n  processes: 3"), "f.yaml:4: workers.processes: speaks of the group 'default', but workers.groups (line 2) is set; expected processes in each group"},
    {GROUPS("{name: a, queues: [noop]}\n  concurrency: 3"), "f.yaml:4: workers.concurrency: speaks of the group 'default', but workers.groups (line 2) is set; expected concurrency in each group"},
    /* models */
    {"models: {}\n", "f.yaml:1: models: expected a list ('- name: ...')"},
    {MODELS("x"), "f.yaml:2: models[0]: expected a map ('id: ...'); got text"},
    {MODELS("{tasks: [chat]}"), "f.yaml:2: models[0]: expected an id like maker/model"},
    {MODELS("{id: a/b}"), "f.yaml:2: models[0]: expected tasks like [chat], as 'a/b' is not built in"},
    {MODELS("{id: a/b, tasks: [chta]}"), "f.yaml:2: models[0].tasks: 'chta': unknown task; did you mean 'chat'?"},
    {MODELS("{id: a/b, tasks: chat}"), "f.yaml:2: models[0].tasks: expected a list like [chat, code]; got text"},
    {MODELS("{id: a/b, tasks: [chat], input_usd: -0.1}"), "f.yaml:2: models[0].input_usd: expected an amount in USD like 0.15, not negative; got '-0.1'"},
    {MODELS("{id: a/b, tasks: [chat], output_usd: cheap}"), "f.yaml:2: models[0].output_usd: expected an amount in USD like 0.15, not negative; got 'cheap'"},
    {MODELS("{id: a/b, tasks: [chat], cached_usd: }"), "f.yaml:2: models[0].cached_usd: expected text; got nothing"},
    {MODELS("{id: a/b, tasks: [chat], prices: 1}"), "f.yaml:2: models[0].prices: unknown field; flotilla.yaml(5) lists what there is"},
    {MODELS("{id: a/b, tasks: [chat], provider: togther}"), "f.yaml:2: models[0].provider: 'togther': unknown provider; did you mean 'together'?"},
    {MODELS("{id: a/b, tasks: [image], image_usd: 1}"), "f.yaml:2: models[0].image_usd: expected image_unit (megapixel or piece) beside it"},
    {MODELS("{id: a/b, tasks: [image], image_usd: 1, image_unit: box}"), "f.yaml:2: models[0].image_unit: expected megapixel or piece; got 'box'"},
    {MODELS("{id: a/b, tasks: [chat], context: -1}"), "f.yaml:2: models[0].context: expected a whole number from 0 to 1000000000; got '-1'"},
    {MODELS("{id: a/b, tasks: [chat], batch_discount_percent: 101}"), "f.yaml:2: models[0].batch_discount_percent: expected a whole number from 0 to 100; got '101'"},
    {MODELS("{id: a/b, tasks: [chat], default_for: [code]}"), "f.yaml:2: models[0].default_for: expected tasks of this model; got 'code'"},
    {MODELS("{id: a/b, tasks: [chat], default_for: [chat]}\n- id: c\n  tasks: [chat]\n  default_for: [chat]"), "f.yaml:5: models[1].default_for: 'chat' already has a default in this list"},
    {MODELS("{id: a/b, tasks: [chat]}\n- id: a/b"), "f.yaml:3: models[1].id: 'a/b' is given twice; first on line 2"},
    /* providers */
    {OTHERS("{base_url: 'https://x/v1'}"), "f.yaml:3: providers.others[0]: expected a name"},
    {OTHERS("{name: x}"), "f.yaml:3: providers.others[0]: expected a base_url like https://HOST/v1"},
    {OTHERS("{name: together, base_url: 'https://x/v1'}"), "f.yaml:3: providers.others[0].name: expected another name; 'together' is taken"},
    {OTHERS("{name: x, base_url: 'http://x/v1'}"), "f.yaml:3: providers.others[0].base_url: expected https://, as http:// goes only to loopback unless providers.allow_http is true; got 'http://x/v1'"},
    {OTHERS("{name: x, base_url: 'ftp://x/v1'}"), "f.yaml:3: providers.others[0].base_url: expected a URL that starts with https:// or http://; got 'ftp://x/v1'"},
    {OTHERS("{name: x, base_url: 'https://x/v1', api_key: a, api_key_env: B}"), "f.yaml:3: providers.others[0].api_key_env: expected one of api_key and api_key_env"},
    {OTHERS("{name: x, base_url: 'https://x/v1', api_key: 'a b'}"), "f.yaml:3: providers.others[0].api_key: expected visible ASCII characters without blanks"},
    {OTHERS("{name: x, base_url: 'https://x/v1', api_key_file: /nowhere/key}"), "f.yaml:3: providers.others[0].api_key_file: cannot read /nowhere/key: No such file or directory"},
};

static const struct {
    const char *env[3], *says;
} bad_envs[] = {
    {{"FLOTILLA_WORKERS_CONCURENCY=5"}, "FLOTILLA_WORKERS_CONCURENCY: unknown setting; did you mean 'FLOTILLA_WORKERS_CONCURRENCY'?"},
    {{"FLOTILLA_=5"}, "FLOTILLA_: unknown setting; flotilla.yaml(5) lists what there is"},
    {{"FLOTILLA_TOP_DATA_DIR=/x"}, "FLOTILLA_TOP_DATA_DIR: unknown setting; did you mean 'FLOTILLA_DATA_DIR'?"},
    {{"FLOTILLA_HTTP_LISTEN_FILE=/x"}, "FLOTILLA_HTTP_LISTEN_FILE: unknown setting; did you mean 'FLOTILLA_HTTP_LISTEN'?"},
    {{"FLOTILLA_WORKERS_PROCESSES=two"}, "FLOTILLA_WORKERS_PROCESSES: workers.processes: expected a whole number from 0 to 256; got 'two'"},
    {{"FLOTILLA_WORKERS_PROCESSES="}, "FLOTILLA_WORKERS_PROCESSES: workers.processes: expected a whole number from 0 to 256; got ''"},
    {{"FLOTILLA_WORKERS_HEARTBEAT_MS=9000"}, "FLOTILLA_WORKERS_HEARTBEAT_MS: workers.heartbeat_ms: expected 3 x workers.heartbeat_ms to be at most workers.lease_ms; got 27000 and 10000"},
    {{"REDIS_URL=localhost"}, "REDIS_URL: redis.url: expected redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH"},
    {{"REDIS_URL=redis://a", "FLOTILLA_REDIS_URL=redis://b"}, "FLOTILLA_REDIS_URL: redis.url: is also set by REDIS_URL; expected one of the two"},
    {{"TOGETHER_API_KEY=a", "TOGETHER_API_KEY_FILE=/nowhere"}, "TOGETHER_API_KEY_FILE: providers.together_api_key: is also set by TOGETHER_API_KEY; expected one of the two"},
    {{"TOGETHER_API_KEY_FILE=/nowhere/key"}, "TOGETHER_API_KEY_FILE: providers.together_api_key: cannot read /nowhere/key: No such file or directory"},
    {{"TOGETHER_API_KEY_FILE=/dev/null"}, "TOGETHER_API_KEY_FILE: providers.together_api_key: /dev/null is empty"},
    {{"TOGETHER_API_KEY_FILE=/dev/zero"}, "TOGETHER_API_KEY_FILE: providers.together_api_key: cannot read /dev/zero: it is over 65536 bytes"},
    {{"TOGETHER_API_KEY_FILE=/"}, "TOGETHER_API_KEY_FILE: providers.together_api_key: cannot read /: Is a directory"},
    {{"TOGETHER_BASE_URL=https://x/v1 "}, "TOGETHER_BASE_URL: providers.together_base_url: expected a URL without blanks, query and fragment; got 'https://x/v1 '"},
    {{"FLOTILLA_HTTP_TOKEN=", "FLOTILLA_HTTP_LISTEN=0.0.0.0:1"}, "FLOTILLA_HTTP_LISTEN: http.listen: expected http.listen to be a loopback address, or http.token to be set; got '0.0.0.0:1' without a token"},
};
/* clang-format on */

START_TEST(refuses_a_bad_file_with_one_clear_message)
{
    struct err err = {0};
    struct config *c = build(bad_files[_i].text, no_env, &err);

    ck_assert_msg(!c, "row %d was accepted:\n%s", _i, bad_files[_i].text);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_str_eq(err.msg, bad_files[_i].says);
}
END_TEST

START_TEST(refuses_a_bad_environment_with_one_clear_message)
{
    struct err err = {0};
    struct config *c = build(NULL, bad_envs[_i].env, &err);

    ck_assert_msg(!c, "row %d was accepted", _i);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_str_eq(err.msg, bad_envs[_i].says);
}
END_TEST

START_TEST(a_setting_of_the_implicit_group_in_the_environment_is_refused_with_groups)
{
    char var[] = "FLOTILLA_WORKERS_PROCESSES=3";
    const char *env[] = {var, NULL};
    struct err err = {0};

    ck_assert(!build(GROUPS("{name: a, queues: [noop]}"), env, &err));
    ck_assert_str_eq(err.msg, "FLOTILLA_WORKERS_PROCESSES: workers.processes: speaks of the group "
                              "'default', but workers.groups (line 2) is set; expected processes "
                              "in each group");
}
END_TEST

/* ---- environment ---- */

START_TEST(the_environment_wins_over_the_file)
{
    const char *env[] = {"PATH=/bin",
                         "FLOTILLA_CONFIG=/x",
                         "FLOTILLA_TEST_ANY=1",
                         "FLOTILLA_DATA=/d",
                         "FLOTILLA_COLLECT=1",
                         "FLOTILLA_DATA_DIR=/env",
                         "TOGETHER_API_KEY=k1",
                         "TOGETHER_FINETUNE_API_KEY=",
                         "REDIS_URL_FILE=",
                         "LOCAL=k2",
                         "FLOTILLA_LOG_LEVEL=warn",
                         "odd",
                         NULL};
    struct err err = {0};
    struct config *c =
        build("data_dir: /file\nredis: {url: 'redis://file'}\nproviders:\n  others:\n"
              "  - {name: l, base_url: 'https://l/v1', api_key_env: LOCAL}\n"
              "  - {name: m, base_url: 'https://m/v1', api_key_env: NOT_SET}\n"
              "  - {name: n, base_url: 'https://n/v1', api_key: k3}\n",
              env, &err);

    ck_assert_msg(c, "%s", err.msg);
    ck_assert_str_eq(c->TOP_data_dir, "/env");
    ck_assert_str_eq(c->redis_url, "redis://file");
    ck_assert_int_eq(c->log_level, 1);
    ck_assert_str_eq(config_provider(c, "together")->api_key, "k1");
    ck_assert_ptr_null(config_provider(c, "together")->finetune_api_key);
    ck_assert_str_eq(config_provider(c, "l")->api_key, "k2");
    ck_assert_ptr_null(config_provider(c, "m")->api_key);
    ck_assert_str_eq(config_provider(c, "n")->api_key, "k3");
    config_free(c);
}
END_TEST

/* A file in /tmp with that content; the caller unlinks and frees. */
static char *temp_file(const char *text)
{
    char *path = strdup("/tmp/flotilla-test-XXXXXX");
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return path;
}

START_TEST(a_secret_is_read_from_its_file_without_the_newline)
{
    static const char *const names[] = {"TOGETHER_API_KEY_FILE",
                                        "FLOTILLA_PROVIDERS_TOGETHER_API_KEY_FILE"};
    static const char *const contents[] = {"sk-1", "sk-1\n", "sk-1\r\n"};

    for (size_t i = 0; i < ARRAY_LEN(names) * ARRAY_LEN(contents); i++) {
        char *path = temp_file(contents[i % ARRAY_LEN(contents)]);
        char var[128];
        const char *env[] = {var, NULL};
        struct err err = {0};
        struct config *c;

        snprintf(var, sizeof(var), "%s=%s", names[i / ARRAY_LEN(contents)], path);
        c = build(NULL, env, &err);
        ck_assert_msg(c, "%s", err.msg);
        ck_assert_str_eq(c->providers[0].api_key, "sk-1");
        config_free(c);
        unlink(path);
        free(path);
    }
}
END_TEST

START_TEST(every_setting_has_a_variable)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *s = &config_settings[i];
        char var[512] = {0};
        const char *env[] = {var, NULL};
        struct err err = {0};
        struct config *c;

        setting_env_name(s, var);
        ck_assert_int_eq(strncmp(var, "FLOTILLA_", 9), 0);
        snprintf(var + strlen(var), sizeof(var) - strlen(var), "=%s", s->def);
        c = build(NULL, env, &err);
        ck_assert_msg(c, "%s", err.msg);
        ck_assert_str_ne(c->origins->of[i].env, "");
        config_free(c);
    }
}
END_TEST

START_TEST(a_file_is_found_by_argument_and_by_variable)
{
    char *path = temp_file("log: {level: error}\n");
    char *other = temp_file("log: {level: debug}\n");
    struct err err = {0};
    struct config *c;

    setenv("FLOTILLA_CONFIG", other, 1);
    c = config_load(path, &err);
    ck_assert_msg(c, "%s", err.msg);
    ck_assert_int_eq(c->log_level, 0);
    ck_assert_str_eq(c->path, path);
    config_free(c);
    c = config_load(NULL, &err);
    ck_assert_msg(c, "%s", err.msg);
    ck_assert_int_eq(c->log_level, 3);
    config_free(c);
    unsetenv("FLOTILLA_CONFIG");
    unlink(path);
    unlink(other);
    ck_assert(!config_load("/nowhere/f.yaml", &err));
    ck_assert_str_eq(err.msg, "cannot read /nowhere/f.yaml: No such file or directory");
    free(path);
    free(other);
}
END_TEST

/* ---- show and diff ---- */

START_TEST(show_tells_value_and_origin_and_no_secret)
{
    const char *env[] = {"REDIS_URL=redis://me:pass@h:1/2", "TOGETHER_API_KEY=sk-key", NULL};
    struct err err = {0};
    struct buf out = BUF(1 << 20);
    struct config *c = build("workers:\n  lease_ms: 11000\nproviders:\n  others:\n"
                             "  - {name: l, base_url: 'https://l/v1', api_key: sk-other}\n"
                             "http: {token: sk-token}\n",
                             env, &err);
    /* clang-format off */
    static const char *const lines[] = {
        "\nworkers.lease_ms: 11000  # f.yaml:2\n",
        "redis.url: redis://me:***@h:1/2  # environment REDIS_URL\n",
        "\nproviders.together_api_key: \"***\"  # environment TOGETHER_API_KEY\n",
        "\nwebhooks.secret: \"\"  # default\n",
        "\nhttp.token: \"***\"  # f.yaml:6\n",
        "\nlog.level: info  # default\n",
        "\ndata_dir: /var/lib/flotilla  # default\n",
        "\nproviders.others: [{\"name\":\"l\",\"base_url\":\"https://l/v1\",\"api_key\":\"***\"}]  # f.yaml:4\n",
        "\nmodels: []  # default\n",
    };
    /* clang-format on */

    ck_assert_msg(c, "%s", err.msg);
    config_show(c, &out, false);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        ck_assert_msg(strstr(out.p, lines[i]), "no line %s in:\n%s", lines[i], out.p);
    ck_assert_ptr_null(strstr(out.p, "sk-"));
    ck_assert_ptr_null(strstr(out.p, "pass"));
    config_free(c);
    buf_done(&out);
}
END_TEST

START_TEST(show_as_json_has_every_setting_with_its_type)
{
    struct buf out = BUF(1 << 20);
    struct config *c = good("models: [{id: me/m, tasks: [chat], input_usd: 0.15}]");
    json_error_t error;
    json_t *doc;
    json_t *entry;
    size_t i;

    config_show(c, &out, true);
    doc = json_loadb(out.p, out.n, 0, &error);
    ck_assert_msg(doc, "%s: %s", error.text, out.p);
    ck_assert_uint_eq(json_array_size(doc), SETTING_COUNT + LIST_COUNT);
    json_array_foreach(doc, i, entry)
    {
        const json_t *value = json_object_get(entry, "value");

        ck_assert(json_is_string(json_object_get(entry, "key")));
        ck_assert(json_is_string(json_object_get(entry, "origin")));
        if (i >= SETTING_COUNT)
            ck_assert(json_is_array(value));
        else if (config_settings[i].type == SETTING_INT)
            ck_assert(json_is_integer(value));
        else
            ck_assert(config_settings[i].type == SETTING_BOOL ? json_is_boolean(value)
                                                              : json_is_string(value));
    }
    entry = json_array_get(doc, SETTING_COUNT + LIST_MODELS);
    ck_assert_str_eq(json_string_value(json_object_get(entry, "origin")), "f.yaml:1");
    entry = json_array_get(json_object_get(entry, "value"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(entry, "id")), "me/m");
    ck_assert_double_eq(json_number_value(json_object_get(entry, "input_usd")), 0.15);
    json_decref(doc);
    config_free(c);
    buf_done(&out);
}
END_TEST

/* clang-format off */
static const struct {
    const char *before, *after, *changed, *restart;
} diffs[] = {
    {"log: {level: info}", NULL, "", ""},
    {"log: {level: warn}", NULL, "log.level", ""},
    {"redis: {prefix: a}\nhttp: {listen: ''}\nretry: {max_attempts: 4}", NULL, "retry.max_attempts", "redis.prefix, http.listen"},
    {"workers: {processes: 9}", NULL, "workers.processes", ""},
    {GROUPS("{name: a, queues: [noop]}"), GROUPS("{name: a, processes: 7, queues: [noop]}"), "workers.groups", ""},
    {GROUPS("{name: a, queues: [noop]}"), GROUPS("{name: a, queues: {noop: 9}}"), "", "workers.groups"},
    {GROUPS("{name: a, queues: [noop]}"), NULL, "", "workers.groups"},
    {MODELS("{id: a, tasks: [chat]}"), MODELS("{id: a, tasks: [chat], input_usd: 1}"), "models", ""},
    {OTHERS("{name: a, base_url: 'https://a', api_key: x}"), OTHERS("{name: a, base_url: 'https://a', api_key: y}"), "", "providers.others"},
    {"webhooks: {secret: whsec_MTIzNDU2Nzg5MDEyMzQ1Ng==}", "webhooks: {secret: whsec_MTIzNDU2Nzg5MDEyMzQ1Nw==}", "webhooks.secret", ""},
};
/* clang-format on */

START_TEST(diff_says_what_a_reload_does_and_what_needs_a_restart)
{
    struct config *a = good(diffs[_i].before);
    struct config *b = good(diffs[_i].after);
    struct buf changed = BUF(4096);
    struct buf restart = BUF(4096);

    config_diff(a, b, &changed, &restart);
    ck_assert_str_eq(changed.n ? changed.p : "", diffs[_i].changed);
    ck_assert_str_eq(restart.n ? restart.p : "", diffs[_i].restart);
    buf_done(&changed);
    buf_done(&restart);
    config_free(a);
    config_free(b);
}
END_TEST

/* ---- the documents ---- */

static char *read_all(const char *path)
{
    struct buf b = BUF(1 << 20);
    struct err err = {0};

    ck_assert_msg(config_read_file(path, 1 << 20, &b, &err), "%s (run from the top folder)",
                  err.msg);
    return buf_take(&b);
}

START_TEST(the_reference_file_and_the_man_page_have_every_setting)
{
    char *yaml = read_all("deploy/flotilla.yaml");
    char *man = read_all("deploy/man/flotilla.yaml.5");

    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *s = &config_settings[i];
        char bounds[128] = "";
        char line[512];

        if (s->type == SETTING_INT)
            snprintf(bounds, sizeof(bounds), " (%lld to %lld)", (long long)s->min,
                     (long long)s->max);
        else if (s->type == SETTING_BOOL)
            snprintf(bounds, sizeof(bounds), " (true or false)");
        snprintf(line, sizeof(line), "# %s%s", s->help, bounds);
        ck_assert_msg(strstr(yaml, line), "not in deploy/flotilla.yaml: %s", line);
        snprintf(line, sizeof(line), "\n.It Ic %s : ", s->name);
        ck_assert_msg(strstr(man, line), "not in flotilla.yaml(5): %s", line);
        snprintf(line, sizeof(line), "\n%s.\n", s->help);
        ck_assert_msg(strstr(man, line), "not in flotilla.yaml(5): %s", line);
        snprintf(bounds, sizeof(bounds), "From %lld to %lld.", (long long)s->min,
                 (long long)s->max);
        ck_assert_msg(s->type != SETTING_INT || strstr(strstr(man, line), bounds),
                      "not in flotilla.yaml(5): %s %s", s->name, bounds);
    }
    free(yaml);
    free(man);
}
END_TEST

/* The file with every single # in the first column deleted, without lines from one that starts with
 * `from` to the next empty one, or without those that start with one of two texts. */
static char *uncommented(const char *block, const char *line1, const char *line2)
{
    char *text = read_all("deploy/flotilla.yaml");
    struct buf out = BUF(1 << 20);
    bool skip = false;

    for (char *line = text, *end; *line; line = end) {
        end = line + strcspn(line, "\n");
        end += *end == '\n';
        if (line[0] == '#' && line[1] != '#')
            line++;
        skip = strncmp(line, block, strlen(block)) == 0 || (skip && end - line > 1);
        if (!skip && strncmp(line, line1, strlen(line1)) != 0 &&
            strncmp(line, line2, strlen(line2)) != 0)
            buf_add(&out, line, (size_t)(end - line));
    }
    free(text);
    return buf_take(&out);
}

START_TEST(the_reference_file_loads_and_holds_the_defaults)
{
    char *text = uncommented("  groups:", "-", "-");
    struct config *c = good(text);
    struct config *d = good(NULL);

    for (size_t i = 0; i < SETTING_COUNT; i++) {
        ck_assert_msg(setting_equal(c, d, &config_settings[i]), "%s", config_settings[i].name);
        ck_assert_msg(c->origins->of[i].line > 0, "%s is not set", config_settings[i].name);
    }
    config_free(c);
    config_free(d);
    free(text);
    text = read_all("deploy/flotilla.yaml");
    c = good(text);
    for (size_t i = 0; i < SETTING_COUNT; i++)
        ck_assert_msg(c->origins->of[i].line == 0, "%s is set", config_settings[i].name);
    config_free(c);
    free(text);
}
END_TEST

START_TEST(the_examples_of_lists_in_the_reference_file_load)
{
    char *text = uncommented("-", "  processes:", "  concurrency:");
    struct config *c = good(text);

    ck_assert_uint_eq(c->group_count, 2);
    ck_assert_uint_eq(c->provider_count, 2);
    ck_assert_ptr_nonnull(model_find(&c->models, "my-org/my-painter", 17));
    config_free(c);
    free(text);
}
END_TEST

Suite *test_config(void);
Suite *test_config(void)
{
    Suite *s = suite_create("test_config");
    TCase *tc = tcase_create("config");

    tcase_add_test(tc, defaults_alone_are_a_configuration);
    tcase_add_test(tc, without_groups_one_serves_all_queues);
    tcase_add_test(tc, a_file_sets_scalars_of_every_type);
    tcase_add_test(tc, groups_are_read_with_weights_or_names);
    tcase_add_test(tc, models_override_fields_and_add_rows);
    tcase_add_loop_test(tc, loopback_is_told_from_the_host_alone, 0, (int)ARRAY_LEN(urls));
    tcase_add_loop_test(tc, refuses_a_bad_file_with_one_clear_message, 0,
                        (int)ARRAY_LEN(bad_files));
    tcase_add_loop_test(tc, refuses_a_bad_environment_with_one_clear_message, 0,
                        (int)ARRAY_LEN(bad_envs));
    tcase_add_test(tc, a_setting_of_the_implicit_group_in_the_environment_is_refused_with_groups);
    tcase_add_test(tc, the_environment_wins_over_the_file);
    tcase_add_test(tc, a_secret_is_read_from_its_file_without_the_newline);
    tcase_add_test(tc, every_setting_has_a_variable);
    tcase_add_test(tc, a_file_is_found_by_argument_and_by_variable);
    tcase_add_test(tc, show_tells_value_and_origin_and_no_secret);
    tcase_add_test(tc, show_as_json_has_every_setting_with_its_type);
    tcase_add_loop_test(tc, diff_says_what_a_reload_does_and_what_needs_a_restart, 0,
                        (int)ARRAY_LEN(diffs));
    tcase_add_test(tc, the_reference_file_and_the_man_page_have_every_setting);
    tcase_add_test(tc, the_reference_file_loads_and_holds_the_defaults);
    tcase_add_test(tc, the_examples_of_lists_in_the_reference_file_load);
    suite_add_tcase(s, tc);
    return s;
}
