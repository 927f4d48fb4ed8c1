/* Every way to get a configuration wrong, with the exact words of the answer. */
#include <string.h>

#include "tests/unit/config_scene.h"

#define LONG_60           "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"
#define SECRET_OF(base64) "webhooks: {secret: 'whsec_" base64 "'}"
#define BAD_SECRET        "f.yaml:1: webhooks.secret: expected whsec_ and the base64 of 16 to 256 bytes"

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
    {"limits:\n  job_bytes: 1MB\n", "f.yaml:2: limits.job_bytes: expected a whole number of bytes from 1000 to 16777216; got '1MB'"},
    {"limits: {memory_percent: 101}\n", "f.yaml:1: limits.memory_percent: expected a whole number of percent from 1 to 100; got '101'"},
    {"limits: {timeout_ms: 99999999999999999999}\n", "f.yaml:1: limits.timeout_ms: expected a whole number of milliseconds from 1 to 3600000; got '99999999999999999999'"},
    {"providers:\n  allow_http: maybe\n", "f.yaml:2: providers.allow_http: expected true or false; got 'maybe'"},
    {"log: {level: trace}\n", "f.yaml:1: log.level: expected one of error, warn, info, debug; got 'trace'"},
    {"log: {level: \"error|warn\"}\n", "f.yaml:1: log.level: expected one of error, warn, info, debug; got 'error|warn'"},
    {"log: {level: \"\"}\n", "f.yaml:1: log.level: expected one of error, warn, info, debug; got ''"},
    {"workers: {processes: " LONG_60 LONG_60 "}\n", "f.yaml:1: workers.processes: expected a whole number from 0 to 256; got '" LONG_60 "aaaaaaaaaabbbb...'"},
    {"http: {token: \"a\\nb\"}\n", "f.yaml:1: http.token: expected text without control characters"},
    {"redis: {prefix: \"a\\tb\"}\n", "f.yaml:1: redis.prefix: expected text without control characters; got 'a\\tb'"},
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
    {"providers:\n  together_base_url: 'https://u:p@x/v1'\n", "f.yaml:2: providers.together_base_url: expected a URL without user and password; got 'https://***@x/v1'"},
    {"providers:\n  together_base_url: 'http://user:a/b@c?d@x/v1'\n", "f.yaml:2: providers.together_base_url: expected a URL without blanks, query and fragment; got 'http://***@x/v1'"},
    {"providers:\n  together_base_url: 'user:secret@x/v1'\n", "f.yaml:2: providers.together_base_url: expected a URL that starts with https:// or http://; got '***@x/v1'"},
    {"redis: {prefix: \"\\x9b2J\\u202E\"}\n", "f.yaml:1: redis.prefix: expected 1 to 32 of [A-Za-z0-9._-]; got '\\u009b2J\\u202e'"},
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
    {"alerts: {webhook_url: 'hooks.slack.com/x'}\n", "f.yaml:1: alerts.webhook_url: expected a URL that starts with https:// or http://, or nothing"},
    {"alerts: {webhook_url: 'https://a b/'}\n", "f.yaml:1: alerts.webhook_url: expected a URL of visible ASCII characters, the others percent-encoded"},
    {"alerts: {webhook_url: 'https:///x'}\n", "f.yaml:1: alerts.webhook_url: expected a URL like https://HOST/PATH"},
    {"alerts: {webhook_url: 'https://x:0/'}\n", "f.yaml:1: alerts.webhook_url: expected a URL like https://HOST/PATH"},
    {"alerts: {webhook_url: 'http://x/'}\n", "f.yaml:1: alerts.webhook_url: expected https://, as http:// goes only to webhooks.allow_networks unless webhooks.allow_http is true"},
    {"alerts: {webhook_format: teams}\n", "f.yaml:1: alerts.webhook_format: expected one of standard, slack; got 'teams'"},
    {"alerts: {min_level: bad}\n", "f.yaml:1: alerts.min_level: expected one of info, warning, error; got 'bad'"},
    {"alerts: {webhook_secret: x}\n", "f.yaml:1: alerts.webhook_secret: expected whsec_ and the base64 of 16 to 256 bytes"},
    {"scheduler: {name: 'a/b'}\n", "f.yaml:1: scheduler.name: expected nothing, or 1 to 64 of [A-Za-z0-9._-]; got 'a/b'"},
    {"data_dir: var/x\n", "f.yaml:1: data_dir: expected an absolute path; got 'var/x'"},
    /* relations */
    {"workers:\n  lease_ms: 2000\n", "f.yaml:2: workers.lease_ms: expected 3 x workers.heartbeat_ms to be at most workers.lease_ms; got 3000 and 2000"},
    {"workers:\n  heartbeat_ms: 5000\n", "f.yaml:2: workers.heartbeat_ms: expected 3 x workers.heartbeat_ms to be at most workers.lease_ms; got 15000 and 10000"},
    {"workers:\n  watchdog_ms: 10000\n", "f.yaml:2: workers.watchdog_ms: expected more than workers.lease_ms; got 10000 and 10000"},
    {"routing:\n  probe_min_ms: 6000\n", "f.yaml:2: routing.probe_min_ms: expected routing.probe_min_ms to be at most routing.probe_max_ms; got 6000 and 5000"},
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
    {MODELS("{id: 'a b', tasks: [chat]}"), "f.yaml:2: models[0].id: expected 1 to 200 characters without blanks, like maker/model"},
    {MODELS("{id: auto, tasks: [chat]}"), "f.yaml:2: models[0].id: expected another id than 'auto', by which a job lets the router choose"},
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
    {MODELS("{id: a/b, tasks: [chat], quality: 1.01}"), "f.yaml:2: models[0].quality: expected a number from 0 to 1; got '1.01'"},
    {MODELS("{id: a/b, tasks: [chat], quality: -0.1}"), "f.yaml:2: models[0].quality: expected a number from 0 to 1; got '-0.1'"},
    {MODELS("{id: a/b, tasks: [chat], quality: good}"), "f.yaml:2: models[0].quality: expected a number from 0 to 1; got 'good'"},
    {MODELS("{id: a/b, tasks: [chat], p50_ms: -1}"), "f.yaml:2: models[0].p50_ms: expected a whole number from 0 to 3600000; got '-1'"},
    {MODELS("{id: a/b, tasks: [chat], features: [tool]}"), "f.yaml:2: models[0].features: 'tool': unknown feature; did you mean 'tools'?"},
    {MODELS("{id: a/b, tasks: [chat], features: tools}"), "f.yaml:2: models[0].features: expected a list like [tools, vision]; got text"},
    {MODELS("{id: a/b, tasks: [chat], allowed: maybe}"), "f.yaml:2: models[0].allowed: expected true or false; got 'maybe'"},
    {MODELS("{id: a/b, tasks: [chat], allowed: false, default_for: [chat]}"), "f.yaml:2: models[0].default_for: expected a model that is allowed and routed"},
    {MODELS("{id: a/b, tasks: [chat], max_concurrency: 1000001}"), "f.yaml:2: models[0].max_concurrency: expected a whole number from 0 to 1000000; got '1000001'"},
    {MODELS("{id: a/b, tasks: [chat], replacement: openai/gpt-oss-21b}"), "f.yaml:2: models[0].replacement: 'openai/gpt-oss-21b': unknown model; did you mean 'openai/gpt-oss-20b'?"},
    {MODELS("{id: a/b, tasks: [chat], fallbacks: [nothing/like/it]}"), "f.yaml:2: models[0].fallbacks: 'nothing/like/it': unknown model; flotilla.yaml(5) lists what there is"},
    {MODELS("{id: a/b, tasks: [chat], fallbacks: a/b}"), "f.yaml:2: models[0].fallbacks: expected a list like [maker/model]; got text"},
    {MODELS("{id: a/b, tasks: [chat], fallbacks: [a,b,c,d,e,f,g,h,i]}"), "f.yaml:2: models[0].fallbacks: expected at most 8 models"},
    {MODELS("{id: a/b, tasks: [chat], replacement: a/b}"), "f.yaml:2: models[0].replacement: replacements go in a circle: a/b -> a/b"},
    {MODELS("{id: a, tasks: [chat], replacement: b}\n- {id: b, tasks: [chat], replacement: c}\n- id: c\n  tasks: [chat]\n  replacement: a"), "f.yaml:2: models[0].replacement: replacements go in a circle: a -> b -> c -> a"},
    {MODELS("{id: a, tasks: [chat], replacement: b}\n- {id: b, tasks: [chat], replacement: c}\n- {id: c, tasks: [chat], replacement: b}"), "f.yaml:3: models[1].replacement: replacements go in a circle: b -> c -> b"},
    {MODELS("{id: a/b, provider: lokal, tasks: [chat]}"), "f.yaml:2: models[0].provider: 'lokal': unknown provider; there is together"},
    {MODELS("{id: a/b, tasks: [chat]}\n- {id: a/b, provider: lokal}"), "f.yaml:3: models[1].provider: 'lokal': unknown provider; there is together"},
    {MODELS("{id: openai/gpt-oss-20b}\n- {id: openai/gpt-oss-20b, provider: together}"), "f.yaml:3: models[1].id: 'openai/gpt-oss-20b' is given twice; first on line 2"},
    /* routing */
    {"routing: {unnamed: none}\n", "f.yaml:1: routing.unnamed: expected one of default, auto; got 'none'"},
    {"routing:\n  batch_price: -1\n", "f.yaml:2: routing.batch_price: expected a whole number from 0 to 1000; got '-1'"},
    {"routing:\n  batch_price: 0\n  batch_latency: 0\n  batch_quality: 0\n", "f.yaml:2: routing.batch_price: expected one weight of price, latency and quality to be over 0"},
    {"routing:\n  candidates: 0\n", "f.yaml:2: routing.candidates: expected a whole number from 1 to 8; got '0'"},
    {"routing:\n  fallbacks:\n  - {task: chat}\n", "f.yaml:3: routing.fallbacks[0]: expected a task and models"},
    {"routing:\n  fallbacks:\n  - {task: dance, models: []}\n", "f.yaml:3: routing.fallbacks[0].task: expected chat, completion, code, embedding, image or rerank; got 'dance'"},
    {"routing:\n  fallbacks:\n  - {task: chat, models: []}\n  - task: chat\n    models: []\n", "f.yaml:4: routing.fallbacks[1].task: 'chat' is given twice"},
    {"routing:\n  fallbacks:\n  - {task: chat, models: [openai/gpt-oss-20]}\n", "f.yaml:3: routing.fallbacks[0].models: 'openai/gpt-oss-20': unknown model; did you mean 'openai/gpt-oss-20b'?"},
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
    {{"FLOTILLA_WORKERS_PROCESSES=two"}, "FLOTILLA_WORKERS_PROCESSES: workers.processes: expected a whole number from 0 to 256; got 'two'"},
    {{"FLOTILLA_WORKERS_PROCESSES="}, "FLOTILLA_WORKERS_PROCESSES: workers.processes: expected a whole number from 0 to 256; got ''"},
    {{"FLOTILLA_WORKERS_HEARTBEAT_MS=9000"}, "FLOTILLA_WORKERS_HEARTBEAT_MS: workers.heartbeat_ms: expected 3 x workers.heartbeat_ms to be at most workers.lease_ms; got 27000 and 10000"},
    {{"REDIS_URL=localhost"}, "REDIS_URL: redis.url: expected redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH"},
    {{"REDIS_URL=redis://a", "FLOTILLA_REDIS_URL=redis://b"}, "FLOTILLA_REDIS_URL: redis.url: is also set by REDIS_URL; expected one of the two"},
    {{"TOGETHER_API_KEY=a", "TOGETHER_API_KEY_FILE=/nowhere"}, "TOGETHER_API_KEY_FILE: providers.together_api_key: is also set by TOGETHER_API_KEY; expected one of the two"},
    {{"TOGETHER_API_KEY_FILE=/nowhere/key"}, "TOGETHER_API_KEY_FILE: providers.together_api_key: cannot read /nowhere/key: No such file or directory"},
    {{"TOGETHER_API_KEY_FILE=/dev/null"}, "TOGETHER_API_KEY_FILE: providers.together_api_key: /dev/null is empty"},
    {{"TOGETHER_API_KEY_FILE=/dev/zero"}, "TOGETHER_API_KEY_FILE: providers.together_api_key: cannot read /dev/zero: expected a regular file; it is a device"},
    {{"TOGETHER_API_KEY_FILE=/"}, "TOGETHER_API_KEY_FILE: providers.together_api_key: cannot read /: expected a regular file; it is a directory"},
    {{"TOGETHER_BASE_URL=https://x/v1 "}, "TOGETHER_BASE_URL: providers.together_base_url: expected a URL without blanks, query and fragment; got 'https://x/v1 '"},
    {{"FLOTILLA_HTTP_TOKEN=", "FLOTILLA_HTTP_LISTEN=0.0.0.0:1"}, "FLOTILLA_HTTP_LISTEN: http.listen: expected http.listen to be a loopback address, or http.token to be set; got '0.0.0.0:1' without a token"},
};
/* clang-format on */

START_TEST(refuses_a_bad_file_with_one_clear_message)
{
    struct err err = {0};
    struct config *c = config_of(bad_files[_i].text, NULL, &err);

    ck_assert_msg(!c, "row %d was accepted:\n%s", _i, bad_files[_i].text);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_str_eq(err.msg, bad_files[_i].says);
}
END_TEST

START_TEST(refuses_a_bad_environment_with_one_clear_message)
{
    struct err err = {0};
    struct config *c = config_of(NULL, bad_envs[_i].env, &err);

    ck_assert_msg(!c, "row %d was accepted", _i);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_str_eq(err.msg, bad_envs[_i].says);
}
END_TEST

/* clang-format off */
static const struct {
    const char *env, *says;
} unknown_envs[] = {
    {"FLOTILLA_WORKERS_CONCURENCY=5", "FLOTILLA_WORKERS_CONCURENCY: unknown setting; did you mean 'FLOTILLA_WORKERS_CONCURRENCY'?"},
    {"FLOTILLA_=5", "FLOTILLA_: unknown setting; flotilla.yaml(5) lists what there is"},
    {"FLOTILLA_TOP_DATA_DIR=/x", "FLOTILLA_TOP_DATA_DIR: unknown setting; did you mean 'FLOTILLA_DATA_DIR'?"},
    {"FLOTILLA_HTTP_LISTEN_FILE=/x", "FLOTILLA_HTTP_LISTEN_FILE: unknown setting; did you mean 'FLOTILLA_HTTP_LISTEN'?"},
    {"FLOTILLA_PORT=8420", "FLOTILLA_PORT: unknown setting; flotilla.yaml(5) lists what there is"},
};

/* What Kubernetes writes for Services that are called flotilla, flotilla-http and flotilla-redis. */
static const char *const service_envs[] = {
    "FLOTILLA_SERVICE_HOST=10.0.0.7", "FLOTILLA_SERVICE_PORT=8420", "FLOTILLA_SERVICE_PORT_HTTP=8420",
    "FLOTILLA_PORT=tcp://10.0.0.7:8420", "FLOTILLA_PORT_8420_TCP=tcp://10.0.0.7:8420",
    "FLOTILLA_PORT_8420_TCP_PROTO=tcp", "FLOTILLA_PORT_8420_TCP_PORT=8420",
    "FLOTILLA_PORT_8420_TCP_ADDR=10.0.0.7", "FLOTILLA_HTTP_SERVICE_PORT_METRICS=9000",
    "FLOTILLA_REDIS_PORT=udp://10.0.0.8:53", "FLOTILLA_REDIS_PORT_53_UDP_ADDR=10.0.0.8",
};
/* clang-format on */

START_TEST(an_unknown_variable_is_a_warning)
{
    const char *env[] = {unknown_envs[_i].env, NULL};
    struct err err = {0};
    struct config *c = config_of(NULL, env, &err);

    ck_assert_msg(c, "%s", err.msg);
    ck_assert_uint_eq(c->warning_count, 1);
    ck_assert_str_eq(c->warnings[0], unknown_envs[_i].says);
    config_free(c);
}
END_TEST

START_TEST(variables_of_a_service_of_kubernetes_are_ignored)
{
    const char *env[] = {service_envs[_i], NULL};
    struct err err = {0};
    struct config *c = config_of(NULL, env, &err);

    ck_assert_msg(c, "%s", err.msg);
    ck_assert_msg(c->warning_count == 0, "%s", c->warning_count ? c->warnings[0] : "");
    config_free(c);
}
END_TEST

START_TEST(a_setting_of_the_implicit_group_in_the_environment_is_refused_with_groups)
{
    char var[] = "FLOTILLA_WORKERS_PROCESSES=3";
    const char *env[] = {var, NULL};
    struct err err = {0};

    ck_assert(!config_of(GROUPS("{name: a, queues: [noop]}"), env, &err));
    ck_assert_str_eq(err.msg, "FLOTILLA_WORKERS_PROCESSES: workers.processes: speaks of the group "
                              "'default', but workers.groups (line 2) is set; expected processes "
                              "in each group");
}
END_TEST

Suite *test_config_errors(void);
Suite *test_config_errors(void)
{
    Suite *s = suite_create("test_config_errors");
    TCase *tc = tcase_create("config_errors");

    tcase_add_loop_test(tc, refuses_a_bad_file_with_one_clear_message, 0,
                        (int)ARRAY_LEN(bad_files));
    tcase_add_loop_test(tc, refuses_a_bad_environment_with_one_clear_message, 0,
                        (int)ARRAY_LEN(bad_envs));
    tcase_add_loop_test(tc, an_unknown_variable_is_a_warning, 0, (int)ARRAY_LEN(unknown_envs));
    tcase_add_loop_test(tc, variables_of_a_service_of_kubernetes_are_ignored, 0,
                        (int)ARRAY_LEN(service_envs));
    tcase_add_test(tc, a_setting_of_the_implicit_group_in_the_environment_is_refused_with_groups);
    suite_add_tcase(s, tc);
    return s;
}
