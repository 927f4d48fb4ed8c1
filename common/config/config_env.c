/* config_env.c - environment variables onto the settings.
 *
 *   FLOTILLA_<SECTION>_<KEY>   every row of settings.def (FLOTILLA_DATA_DIR at the top)
 *   REDIS_URL and so on        the aliases below, as other programs name them
 *   ..._FILE                   for secrets and URLs: a file that holds the value
 *
 * The environment wins over the file, and one setting may be given there once.
 * An alias or a ..._FILE that is set to nothing counts as not set, because
 * that is how container files pass on what the caller did not give; a
 * FLOTILLA_ variable is taken as it is.
 *
 * A FLOTILLA_ variable that is no setting is probably a setting misspelt: a warning.  It is no
 * error, because others write into the environment, too: Kubernetes puts the address of each
 * Service of the namespace into every pod, and a Service may be called flotilla.  Variables of that
 * form are ignored (is_service_link).
 */
#include "common/config/config_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"

static const struct {
    const char *env;
    enum setting_id id;
} aliases[] = {
    {"REDIS_URL", SETTING_redis_url},
    {"TOGETHER_API_KEY", SETTING_providers_together_api_key},
    {"TOGETHER_FINETUNE_API_KEY", SETTING_providers_together_finetune_api_key},
    {"TOGETHER_BASE_URL", SETTING_providers_together_base_url},
};

/* FLOTILLA_ names that are no settings; the first is read by config_load, the others by tests. */
static const char *const others[] = {"FLOTILLA_CONFIG", "FLOTILLA_DATA", "FLOTILLA_COLLECT"};

/* A variable that sets something. */
struct var {
    enum setting_id id;
    bool is_alias, is_file;
    char name[CONFIG_ENV_NAME];
    const char *value;
};

static bool may_be_file(const struct setting *s) { return s->flags & SECRET || setting_is_url(s); }

/* Does name stand for the setting id through base (its alias or long name)? */
static bool matches(struct var *v, const char *base, enum setting_id id, bool alias)
{
    size_t n = strlen(base);
    bool file = strncmp(v->name, base, n) == 0 && strcmp(v->name + n, "_FILE") == 0;

    if (strcmp(v->name, base) != 0 && !(file && may_be_file(&config_settings[id])))
        return false;
    v->id = id;
    v->is_alias = alias;
    v->is_file = file;
    return true;
}

static bool var_find(struct var *v)
{
    char base[CONFIG_ENV_NAME];

    for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
        if (matches(v, aliases[i].env, aliases[i].id, true))
            return true;
    for (int i = 0; i < SETTING_COUNT; i++) {
        setting_env_name(&config_settings[i], base);
        if (matches(v, base, (enum setting_id)i, false))
            return true;
    }
    return false;
}

static bool is_ours(const char *name)
{
    if (strncmp(name, "FLOTILLA_", 9) != 0 || strncmp(name, "FLOTILLA_TEST_", 14) == 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (strcmp(name, others[i]) == 0)
            return false;
    return true;
}

/* ---- what Kubernetes writes ---- */

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), k = strlen(end);

    return n > k && strcmp(name + n - k, end) == 0;
}

/* "..._PORT_8420_TCP", with _PROTO, _PORT or _ADDR behind it or not. */
static bool names_a_port(const char *name)
{
    static const char *const protocols[] = {"_TCP", "_UDP", "_SCTP"};
    static const char *const ends[] = {"", "_PROTO", "_PORT", "_ADDR"};
    const char *at = strstr(name, "_PORT_");
    size_t digits = at ? strspn(at + 6, "0123456789") : 0;

    for (size_t i = 0; digits && i < ARRAY_LEN(protocols); i++) {
        size_t n = strlen(protocols[i]);

        for (size_t k = 0; strncmp(at + 6 + digits, protocols[i], n) == 0 && k < ARRAY_LEN(ends);
             k++)
            if (strcmp(at + 6 + digits + n, ends[k]) == 0)
                return true;
    }
    return false;
}

/* One of the variables that tell of a Service: its host, its ports, and the older form of links. */
static bool is_service_link(const char *name, const char *value)
{
    return ends_with(name, "_SERVICE_HOST") || ends_with(name, "_SERVICE_PORT") ||
           strstr(name, "_SERVICE_PORT_") || names_a_port(name) ||
           (ends_with(name, "_PORT") && strstr(value, "://"));
}

static void warn_unknown(struct config *c, const char *name)
{
    struct err err;
    char names[SETTING_COUNT][CONFIG_ENV_NAME];
    const char *list[SETTING_COUNT];

    for (size_t i = 0; i < SETTING_COUNT; i++) {
        setting_env_name(&config_settings[i], names[i]);
        list[i] = names[i];
    }
    config_unknown(&err, "setting", name, list, SETTING_COUNT);
    (void)!err_wrap(&err, "%.100s", name);
    c->warnings = xrealloc(c->warnings, (c->warning_count + 1) * sizeof(*c->warnings));
    c->warnings[c->warning_count++] = xstrdup(err.msg);
}

/* The content of a ..._FILE, without the newline at its end. */
static bool read_value(const char *path, struct buf *ret, struct err *err)
{
    if (!config_read_file(path, CONFIG_SECRET_MAX_BYTES, ret, err))
        return false;
    if (!ret->p || memchr(ret->p, 0, ret->n))
        return err_set(err, ERR_CONFIG, "%s %s", path, ret->p ? "holds a NUL" : "is empty");
    if (ret->n && ret->p[ret->n - 1] == '\n')
        ret->p[--ret->n] = 0;
    if (ret->n && ret->p[ret->n - 1] == '\r')
        ret->p[--ret->n] = 0;
    return true;
}

static bool apply(struct config_load *l, const struct var *v, struct err *err)
{
    const struct setting *s = &config_settings[v->id];
    struct config_origin *o = &l->cfg->origins->of[v->id];
    struct buf text = BUF(CONFIG_SECRET_MAX_BYTES + 1);
    bool ok;

    if (*v->value == 0 && (v->is_alias || v->is_file))
        return true;
    if (o->env[0])
        return err_set(err, ERR_CONFIG, "%s: %s: is also set by %s; expected one of the two",
                       v->name, s->name, o->env);
    ok = (!v->is_file || read_value(v->value, &text, err)) &&
         setting_set(l->cfg, s, v->is_file ? text.p : v->value, err);
    buf_done(&text);
    if (!ok)
        return err_wrap(err, "%s: %s", v->name, s->name);
    snprintf(o->env, sizeof(o->env), "%s", v->name);
    return true;
}

bool config_apply_env(struct config_load *l, struct err *err)
{
    for (const char *const *e = l->env; *e; e++) {
        const char *equals = strchr(*e, '=');
        size_t n = equals ? (size_t)(equals - *e) : 0;
        struct var v = {.value = equals + 1};

        if (n == 0)
            continue;
        snprintf(v.name, sizeof(v.name), "%.*s", (int)(n < 512 ? n : 512), *e);
        if (n < sizeof(v.name) && var_find(&v)) {
            if (!apply(l, &v, err))
                return false;
        } else if (is_ours(v.name) && !is_service_link(v.name, v.value)) {
            warn_unknown(l->cfg, v.name);
        }
    }
    return true;
}

const char *config_getenv(const char *const *env, const char *name)
{
    size_t n = strlen(name);

    for (; *env; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
            return *env + n + 1;
    return NULL;
}
