/* config_parts.h - what the files config*.c share; nobody else includes it.
 *
 * The rows of settings.def as data, a configuration while it is being loaded,
 * and readers for the items of lists.
 */
#ifndef FLOTILLA_CONFIG_PARTS_H
#define FLOTILLA_CONFIG_PARTS_H

#include "common/config/config.h"
#include "common/config/yaml.h"

#define CONFIG_FILE_MAX_BYTES   ((size_t)1024 * 1024)
#define CONFIG_SECRET_MAX_BYTES ((size_t)64 * 1024)
#define CONFIG_ENV_NAME         96
#define CONFIG_QUOTED           80

/* ---- settings.def as data (config_settings.c) ---- */
enum setting_type { SETTING_STR, SETTING_INT, SETTING_BOOL, SETTING_ENUM };
enum setting_flag { BOOT = 1, LIVE = 2, SECRET = 4, LIST = 8 };
enum setting_id {
#define STR(section, key, def, flags, help)           SETTING_##section##_##key,
#define INT(section, key, def, min, max, flags, help) SETTING_##section##_##key,
#define BOOL(section, key, def, flags, help)          SETTING_##section##_##key,
#define ENUM(section, key, def, names, flags, help)   SETTING_##section##_##key,
#include "common/config/settings.def"
    SETTING_COUNT
};
struct setting {
    const char *section; /* "" at the top level */
    const char *key;
    const char *name; /* "redis.url", "data_dir" */
    enum setting_type type;
    const char *def;   /* the default, as text */
    const char *names; /* SETTING_ENUM: "a|b|c" */
    int64_t min, max;  /* SETTING_INT */
    unsigned flags;
    const char *help;
    size_t offset; /* in struct config */
};
extern const struct setting config_settings[SETTING_COUNT];

/* Parse text into the row's field.  err: "expected ...; got '...'", without the place. */
NODISCARD bool setting_set(struct config *c, const struct setting *s, const char *text,
                           struct err *err);
/* The field as text: what setting_set would accept. */
void setting_text(const struct config *c, const struct setting *s, struct buf *ret);
const char *setting_str(const struct config *c, const struct setting *s); /* SETTING_STR only */
int64_t setting_int(const struct config *c, enum setting_id id);          /* SETTING_INT only */
bool setting_equal(const struct config *a, const struct config *b, const struct setting *s);
/* "a whole number of milliseconds from 1 to 10" */
void setting_expects(const struct setting *s, char text[128]);
/* It is a URL: its password is a secret. */
bool setting_is_url(const struct setting *s);
void setting_env_name(const struct setting *s, char name[CONFIG_ENV_NAME]);
/* 'text', cut and printable, for messages; returns quoted. */
char *config_quote(const char *text, char quoted[CONFIG_QUOTED]);
/* "unknown NOUN; did you mean 'x'?", the tail of a message about word. */
void config_unknown(struct err *err, const char *noun, const char *word, const char *const *names,
                    size_t count);

/* ---- where values come from (config.c) ---- */
enum config_list {
    LIST_PROVIDERS,
    LIST_GROUPS,
    LIST_MODELS,
    LIST_FALLBACKS,
    LIST_BUDGETS,
    LIST_COUNT
};
struct config_origin {
    int line;                  /* of the file; 0: not from the file */
    char env[CONFIG_ENV_NAME]; /* the variable's name; "": not from the environment */
};
struct config_origins {
    struct config_origin of[SETTING_COUNT];
    int list_line[LIST_COUNT]; /* 0: the list is not in the file */
};
/* A configuration that is being loaded. */
struct config_load {
    struct config *cfg;
    const char *file;       /* its name in messages */
    const char *const *env; /* "NAME=value", NULL-terminated */
    const struct yaml_tree *lists[LIST_COUNT];
};
/* config_load without files of its own: text may be NULL, env is like environ. */
struct config *config_build(const char *file, const char *text, size_t n, const char *const *env,
                            struct err *err);
const char *config_getenv(const char *const *env, const char *name); /* NULL when not set */
/* "flotilla.yaml:12", "REDIS_URL" or "default" */
void config_place(const struct config *c, enum setting_id id, struct buf *ret);
NODISCARD bool config_read_file(const char *path, size_t max_bytes, struct buf *ret,
                                struct err *err);

/* ---- the steps of loading ---- */
NODISCARD bool config_apply_file(struct config_load *l, const struct yaml_tree *root,
                                 struct err *err);
NODISCARD bool config_apply_env(struct config_load *l, struct err *err);
NODISCARD bool config_check(const struct config *c, struct err *err);
NODISCARD bool config_read_providers(struct config_load *l, struct err *err);
NODISCARD bool config_read_groups(struct config_load *l, struct err *err);
NODISCARD bool config_read_models(struct config_load *l, struct err *err);
NODISCARD bool config_read_fallbacks(struct config_load *l, struct err *err);
NODISCARD bool config_read_budgets(struct config_load *l, struct err *err);
void config_free_budgets(struct config *c);

/* ---- the syntax of texts (config_text.c); err: "expected ...", without place and value ---- */
typedef bool check_text(const char *text, struct err *err);
check_text check_prefix, check_scheduler_name, check_key, check_absolute_path, check_listen,
    check_redis_url, check_base_url, check_webhook_url, check_webhook_secret, check_networks,
    check_schedule;
bool check_name(const char *text, size_t max); /* 1..max of [A-Za-z0-9._-] */
/* https, or http to loopback, or any http when it is allowed. */
bool check_url_is_safe(const char *url, bool allow_http, struct err *err);
/* 127.0.0.0/8, ::1 or localhost as the host of HOST:PORT or of a URL; nothing is resolved. */
bool text_is_loopback(const char *text);

/* ---- items of lists (config_item.c) ---- */
/* One map of a list, e.g. models[2]; its readers name file, line and key when they fail. */
struct config_item {
    const struct config_load *l;
    const struct yaml_tree *node;
    char where[48];
    int line; /* for messages; 0: that of the field */
    struct err *err;
};
/* Open item i of a list; false when it is no map or has a field that is not in fields. */
NODISCARD bool item_open(struct config_item *it, const struct config_load *l, enum config_list list,
                         size_t i, const char *const *fields, size_t count, struct err *err);
/* The map at key of an item, with these fields only; its members are read like an item's. */
NODISCARD bool item_map(const struct config_item *it, const char *key, const char *const *known,
                        size_t count, struct config_item *ret);
/* Fill err with place and key (NULL: the item itself); returns false. */
bool item_fail(const struct config_item *it, const char *key, const char *fmt, ...) PRINTF(3, 4);
/* Each leaves *ret alone when the item has no such field. */
NODISCARD bool item_text(const struct config_item *it, const char *key, const char **ret);
/* The item's field `name`, which must be there: 1 to 32 of [A-Za-z0-9._-]. */
NODISCARD bool item_name(const struct config_item *it, const char **ret);
NODISCARD bool item_int(const struct config_item *it, const char *key, int64_t min, int64_t max,
                        int64_t *ret);
NODISCARD bool item_usd(const struct config_item *it, const char *key, int64_t *ret_nanousd);
/* The index of the word at key among names; *ret stays when there is no such field. */
NODISCARD bool item_word(const struct config_item *it, const char *key, const char *const *names,
                         size_t count, size_t *ret);
NODISCARD bool item_bool(const struct config_item *it, const char *key, bool *ret);
/* Replaces what *ret holds. */
NODISCARD bool item_ids(const struct config_item *it, const char *key, struct model_ids *ret);
/* Are they models that the configuration knows?  (config_models.c) */
NODISCARD bool config_check_ids(const struct config_item *it, const char *key,
                                const struct model_ids *ids);

extern const char *const config_list_names[LIST_COUNT]; /* "workers.groups" */

/* ---- lists as text (config_lists.c) ---- */
/* Append the list as a JSON array; without secrets, keys are ***. */
void config_write_list(const struct config *c, enum config_list list, struct buf *b, bool secrets);
/* "{", with a comma before it unless the buffer ends in '['. */
void config_open_item(struct buf *b);

#endif
