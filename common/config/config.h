/* config.h - settings: one table (settings.def), one struct, one way in.
 *
 *   built-in defaults  <  YAML file  <  environment
 *
 * The file is -c FILE, else $FLOTILLA_CONFIG, else /etc/flotilla/flotilla.yaml
 * if it is there, else none.  Every scalar setting is a row of settings.def:
 * section, key, type, default as text (parsed by the same code as user input),
 * bounds, whether a reload may change it, whether it is secret, help.  Any row
 * can be set by FLOTILLA_<SECTION>_<KEY>, and secrets by ..._FILE (a path to
 * read, trailing newline dropped).  REDIS_URL, TOGETHER_API_KEY,
 * TOGETHER_FINETUNE_API_KEY, TOGETHER_BASE_URL (each also _FILE) are aliases.
 * Lists (providers, models, workers.groups, ...) are read by
 * their own readers (config_models.c, config_groups.c ...).
 *
 * Unknown keys, duplicates, aliases, wrong types and out-of-range values are
 * errors: `flotilla.yaml:12: workers.concurency: unknown setting; did you mean 'concurrency'?`
 * An unknown variable of the environment is a warning.
 */
#ifndef FLOTILLA_CONFIG_H
#define FLOTILLA_CONFIG_H

#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/err.h"
#include "common/model/model.h"

#define CONFIG_GROUP_QUEUES_MAX 16

/* A worker group: so many processes, each with so many calls in flight, on these queues. */
struct config_group {
    char *name;
    int64_t processes, concurrency;
    size_t queue_count;
    struct {
        char *name;
        int weight; /* 1..1000: share of the claims while all have work */
    } queues[CONFIG_GROUP_QUEUES_MAX];
};

#define CONFIG_PROVIDERS_MAX 32
struct config_provider {
    char *name, *base_url;  /* base_url with its /v1 and no slash at the end */
    char *api_key;          /* NULL: none */
    char *finetune_api_key; /* NULL: api_key */
    char *ca_file;          /* authorities of its certificate; NULL: the system's */
    bool loopback;          /* calls without Authorization are fine */
    enum { STREAM_USAGE_AUTO, STREAM_USAGE_ALWAYS, STREAM_USAGE_NEVER } stream_usage;
};
const char *config_stream_usage_name(const struct config_provider *p);

/* ---- budgets ---- */
enum budget_scope {
    BUDGET_FOR_ALL,
    BUDGET_FOR_TENANT,
    BUDGET_FOR_EACH_TENANT, /* each has a budget of its own */
    BUDGET_FOR_TAG,
    BUDGET_FOR_MODEL
};
enum budget_per { BUDGET_PER_HOUR, BUDGET_PER_DAY, BUDGET_PER_MONTH };
enum budget_policy { BUDGET_WAIT, BUDGET_DOWNGRADE, BUDGET_BATCH, BUDGET_REJECT };
#define CONFIG_BUDGETS_MAX       64
#define CONFIG_BUDGET_ALERTS_MAX 8

/* What may be spent in a calendar period (UTC). */
struct config_budget {
    char *name;
    enum budget_scope scope;
    char *tag;   /* BUDGET_FOR_TAG: the tag's name; else NULL */
    char *value; /* the tenant, the tag's value, the model; NULL for all and each tenant */
    enum budget_per per;
    int64_t limit_nanousd; /* below 2^53, so that Lua's numbers hold it */
    enum budget_policy policy;
    int alert_percent[CONFIG_BUDGET_ALERTS_MAX]; /* ascending */
    size_t alert_count;
};
/* "tenant", "hour", "wait": as they stand in the file. */
const char *budget_scope_name(enum budget_scope s);
const char *budget_per_name(enum budget_per p);
const char *budget_policy_name(enum budget_policy p);

struct config {
    /* One field per row of settings.def: cfg->redis_url, cfg->workers_concurrency, ... */
#define STR(section, key, def, flags, help)           char *section##_##key;
#define INT(section, key, def, min, max, flags, help) int64_t section##_##key;
#define BOOL(section, key, def, flags, help)          bool section##_##key;
#define ENUM(section, key, def, names, flags, help)   int section##_##key;
#include "common/config/settings.def"
    struct config_provider *providers;
    size_t provider_count;
    struct config_group *groups; /* always at least one: the implicit `default` */
    size_t group_count;
    struct model_table models;              /* built-in rows overridden by the file's `models:` */
    struct model_ids fallbacks[TASK_COUNT]; /* routing.fallbacks, by task_index() */
    struct config_budget *budgets;          /* in the file's order */
    size_t budget_count;
    char **warnings; /* what was ignored: texts, in no order */
    size_t warning_count;
    char *path;                     /* the file that was read, or NULL */
    struct config_origins *origins; /* private: where each value came from */
};

/* Load everything.  path: -c's argument or NULL.  NULL with err (kind CONFIG) on any fault. */
struct config *config_load(const char *path, struct err *err);
void config_free(struct config *c);
const struct config_provider *config_provider(const struct config *c, const char *name);
const struct config_group *config_group(const struct config *c, const char *name);

/* webhooks.schedule_ms as numbers: at most max of them (up to 32 are configured); returns how many.
 */
size_t config_webhook_schedule(const struct config *c, int64_t *ret, size_t max);

/* One line per setting, `section.key: value   # default|file:12|environment NAME`, secrets as ***;
 * for `config show`. */
void config_show(const struct config *c, struct buf *out, bool json);
/* What differs, as comma-separated keys: those that a reload changes, and those that need a
 * restart. */
void config_diff(const struct config *old, const struct config *new_, struct buf *changed,
                 struct buf *restart);

/* After config_diff at a reload: rows that need a restart keep the old value in fresh. */
void config_keep_boot(struct config *fresh, const struct config *old);

#endif
