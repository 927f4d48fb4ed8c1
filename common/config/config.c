/* config.c - loading a configuration, from nothing to a checked struct.
 *
 *   defaults -> file -> environment -> checks -> lists (providers, groups, models,
 *                                                       fallbacks, budgets)
 *
 * Each step is a function of config_parts.h in a file of its own; all of them
 * write into one struct config_load and stop at the first fault.  Lists come
 * last because they lean on scalars: a group's default number of processes, a
 * provider's right to speak plain HTTP.
 *
 * config_build() is the whole without looking for files, for tests and the
 * fuzzer.  A reload builds a second configuration and compares (config_show.c);
 * a struct config never changes once it was returned.
 */
#include "common/config/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config/config_parts.h"
#include "common/core/file.h"
#include "common/core/xalloc.h"

#define DEFAULT_PATH "/etc/flotilla/flotilla.yaml"

const char *const config_list_names[LIST_COUNT] = {[LIST_PROVIDERS] = "providers.others",
                                                   [LIST_GROUPS] = "workers.groups",
                                                   [LIST_MODELS] = "models",
                                                   [LIST_FALLBACKS] = "routing.fallbacks",
                                                   [LIST_BUDGETS] = "budgets"};

static struct config *config_new(void)
{
    struct config *c = xcalloc(1, sizeof(*c));
    struct err err = {0};

    c->origins = xcalloc(1, sizeof(*c->origins));
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (!setting_set(c, &config_settings[i], config_settings[i].def, &err)) {
            fprintf(stderr, "settings.def: %s: %s\n", config_settings[i].name, err.msg);
            abort();
        }
    model_table_builtin(&c->models);
    return c;
}

static bool load(struct config_load *l, const char *text, size_t n, struct err *err)
{
    struct yaml_tree root = {0};
    bool ok = !text ||
              (yaml_tree_parse(l->file, text, n, &root, err) && config_apply_file(l, &root, err));

    ok = ok && config_apply_env(l, err) && config_check(l->cfg, err) &&
         config_read_providers(l, err) && config_read_groups(l, err) &&
         config_read_models(l, err) && config_read_fallbacks(l, err) && config_read_budgets(l, err);
    yaml_tree_done(&root);
    return ok;
}

struct config *config_build(const char *file, const char *text, size_t n, const char *const *env,
                            struct err *err)
{
    struct config *c = config_new();
    struct config_load l = {.cfg = c, .file = file, .env = env};

    c->path = text ? xstrdup(file) : NULL;
    if (load(&l, text, n, err))
        return c;
    config_free(c);
    return NULL;
}

struct config *config_load(const char *path, struct err *err)
{
    const char *const *env = (const char *const *)environ;
    const char *from_env = config_getenv(env, "FLOTILLA_CONFIG");
    struct buf text = BUF(CONFIG_FILE_MAX_BYTES);
    struct config *c = NULL;

    if (!path && from_env && *from_env)
        path = from_env;
    if (!path && access(DEFAULT_PATH, F_OK) == 0)
        path = DEFAULT_PATH;
    if (!path)
        return config_build(NULL, NULL, 0, env, err);
    if (config_read_file(path, CONFIG_FILE_MAX_BYTES, &text, err))
        c = config_build(path, text.p ? text.p : "", text.n, env, err);
    buf_done(&text);
    return c;
}

static void free_groups(struct config *c)
{
    for (size_t i = 0; i < c->group_count; i++) {
        free(c->groups[i].name);
        for (size_t q = 0; q < c->groups[i].queue_count; q++)
            free(c->groups[i].queues[q].name);
    }
    free(c->groups);
}

static void free_providers(struct config *c)
{
    for (size_t i = 0; i < c->provider_count; i++) {
        free(c->providers[i].name);
        free(c->providers[i].base_url);
        free(c->providers[i].api_key);
        free(c->providers[i].finetune_api_key);
        free(c->providers[i].ca_file);
    }
    free(c->providers);
}

void config_free(struct config *c)
{
    if (!c)
        return;
#define STR(section, key, def, flags, help) free(c->section##_##key);
#define INT(section, key, def, min, max, flags, help)
#define BOOL(section, key, def, flags, help)
#define ENUM(section, key, def, names, flags, help)
#include "common/config/settings.def"
    free_providers(c);
    free_groups(c);
    config_free_budgets(c);
    model_table_done(&c->models);
    for (size_t i = 0; i < TASK_COUNT; i++)
        for (size_t k = 0; k < c->fallbacks[i].count; k++)
            free(c->fallbacks[i].of[k]);
    for (size_t i = 0; i < c->warning_count; i++)
        free(c->warnings[i]);
    free(c->warnings);
    free(c->path);
    free(c->origins);
    free(c);
}

const struct config_provider *config_provider(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->provider_count; i++)
        if (strcmp(c->providers[i].name, name) == 0)
            return &c->providers[i];
    return NULL;
}

const struct config_group *config_group(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->group_count; i++)
        if (strcmp(c->groups[i].name, name) == 0)
            return &c->groups[i];
    return NULL;
}

void config_place(const struct config *c, enum setting_id id, struct buf *ret)
{
    const struct config_origin *o = &c->origins->of[id];

    if (o->env[0])
        buf_puts(ret, o->env);
    else if (o->line)
        buf_printf(ret, "%s:%d", c->path, o->line);
    else
        buf_puts(ret, "default");
}

bool config_read_file(const char *path, size_t max_bytes, struct buf *ret, struct err *err)
{
    char chunk[4096];
    ssize_t n = 0;
    bool ok = true;
    int fd = file_open(path, ERR_CONFIG, err);

    if (fd < 0)
        return false;
    while (ret->n <= max_bytes && !buf_failed(ret) && (n = read(fd, chunk, sizeof(chunk))) > 0)
        buf_add(ret, chunk, (size_t)n);
    if (n < 0)
        ok = err_set(err, ERR_CONFIG, "cannot read %s: %s", path, strerror(errno));
    else if (buf_failed(ret) || ret->n > max_bytes)
        ok = err_set(err, ERR_CONFIG, "cannot read %s: it is over %zu bytes", path, max_bytes);
    close(fd);
    return ok;
}
