/* config_providers.c - the endpoints that models are called at.
 *
 * `together` is always there, from the scalars of section providers; the list
 * providers.others adds OpenAI-compatible ones:
 *
 *     - name: local
 *       base_url: http://127.0.0.1:8000/v1
 *       api_key_env: LOCAL_KEY            # or api_key, or api_key_file, or none
 *       ca_file: /etc/ssl/ours.pem        # or none: the system's authorities
 *       stream_usage: auto                # default; or always, never
 *
 * A variable of api_key_env that is not set means no key: only workers hold
 * keys, and the other programs load the same file.
 */
#include "common/config/config_parts.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/secret.h"
#include "common/core/xalloc.h"

static const char *const fields[] = {"name",        "base_url", "api_key",     "api_key_file",
                                     "api_key_env", "ca_file",  "stream_usage"};
static const char *const stream_usages[] = {
    [STREAM_USAGE_AUTO] = "auto", [STREAM_USAGE_ALWAYS] = "always", [STREAM_USAGE_NEVER] = "never"};

const char *config_stream_usage_name(const struct config_provider *p)
{
    return stream_usages[p->stream_usage];
}

static const char *const key_fields[] = {"api_key", "api_key_file", "api_key_env"};

static char *copy_url(const char *url)
{
    size_t n = strlen(url);

    while (n > 0 && url[n - 1] == '/')
        n--;
    return xstrndup(url, n);
}

static char *copy_if_any(const char *text) { return text && *text ? xstrdup(text) : NULL; }

static struct config_provider *provider_add(struct config *c)
{
    c->providers = xrealloc(c->providers, (c->provider_count + 1) * sizeof(*c->providers));
    c->providers[c->provider_count] = (struct config_provider){0};
    return &c->providers[c->provider_count++];
}

static void add_together(struct config *c)
{
    struct config_provider *p = provider_add(c);

    p->name = xstrdup("together");
    p->base_url = copy_url(c->providers_together_base_url);
    p->api_key = copy_if_any(c->providers_together_api_key);
    p->finetune_api_key = copy_if_any(c->providers_together_finetune_api_key);
    p->ca_file = copy_if_any(c->providers_together_ca_file);
    p->loopback = text_is_loopback(p->base_url);
    p->stream_usage = (unsigned)c->providers_together_stream_usage;
}

static bool read_url(const struct config_item *it, const struct config *c, const char **ret)
{
    struct err why;
    char got[CONFIG_QUOTED];

    if (!item_text(it, "base_url", ret))
        return false;
    if (*ret)
        secret_add_url(*ret, false);
    if (!*ret)
        return item_fail(it, NULL, "expected a base_url like https://HOST/v1");
    if (!check_base_url(*ret, &why) || !check_url_is_safe(*ret, c->providers_allow_http, &why))
        return item_fail(it, "base_url", "%.150s; got %s", why.msg, config_quote(*ret, got));
    return true;
}

/* The file's content without white space at its end. */
static bool read_key_file(const struct config_item *it, const char *path, struct buf *ret)
{
    struct err why;

    if (!config_read_file(path, CONFIG_SECRET_MAX_BYTES, ret, &why))
        return item_fail(it, "api_key_file", "%.200s", why.msg);
    while (ret->n > 0 && (ret->p[ret->n - 1] == '\n' || ret->p[ret->n - 1] == '\r'))
        ret->p[--ret->n] = 0;
    if (ret->n == 0 || memchr(ret->p, 0, ret->n))
        return item_fail(it, "api_key_file", "expected a file with one key; '%.100s' is %s", path,
                         ret->n ? "binary" : "empty");
    return true;
}

static bool read_key(const struct config_item *it, char **ret)
{
    const char *values[ARRAY_LEN(key_fields)] = {0};
    const char *field = NULL;
    const char *key;
    struct buf text = BUF(CONFIG_SECRET_MAX_BYTES + 1);
    struct err why;
    bool ok = true;

    for (size_t i = 0; i < ARRAY_LEN(key_fields); i++) {
        if (!item_text(it, key_fields[i], &values[i]))
            return false;
        if (values[i] && field)
            return item_fail(it, key_fields[i], "expected one of %s and %s", field, key_fields[i]);
        field = values[i] ? key_fields[i] : field;
    }
    key = values[2] ? config_getenv(it->l->env, values[2]) : values[0];
    if (values[1]) {
        ok = read_key_file(it, values[1], &text);
        key = text.p;
    }
    if (ok && key)
        secret_add(key);
    if (ok && key && !check_key(key, &why))
        ok = item_fail(it, field, "%.150s", why.msg);
    if (ok && key)
        *ret = copy_if_any(key);
    buf_done(&text);
    return ok;
}

static bool read_item(struct config_load *l, size_t i, struct err *err)
{
    struct config_item it;
    struct config_provider *p;
    const char *name;
    const char *url = NULL, *ca_file = NULL;
    size_t stream_usage = STREAM_USAGE_AUTO;
    char *key = NULL;

    if (!item_open(&it, l, LIST_PROVIDERS, i, fields, ARRAY_LEN(fields), err) ||
        !item_name(&it, &name))
        return false;
    if (config_provider(l->cfg, name))
        return item_fail(&it, "name", "expected another name; '%s' is taken", name);
    if (!read_url(&it, l->cfg, &url) || !item_text(&it, "ca_file", &ca_file) ||
        !item_word(&it, "stream_usage", stream_usages, ARRAY_LEN(stream_usages), &stream_usage) ||
        !read_key(&it, &key))
        return false;
    if (l->cfg->provider_count == CONFIG_PROVIDERS_MAX) {
        free(key);
        return item_fail(&it, NULL, "expected at most %d providers", CONFIG_PROVIDERS_MAX);
    }
    p = provider_add(l->cfg);
    p->name = xstrdup(name);
    p->base_url = copy_url(url);
    p->api_key = key;
    p->ca_file = copy_if_any(ca_file);
    p->loopback = text_is_loopback(url);
    p->stream_usage = (unsigned)stream_usage;
    return true;
}

bool config_read_providers(struct config_load *l, struct err *err)
{
    const struct yaml_tree *list = l->lists[LIST_PROVIDERS];

    add_together(l->cfg);
    for (size_t i = 0; list && i < list->count; i++)
        if (!read_item(l, i, err))
            return false;
    return true;
}
