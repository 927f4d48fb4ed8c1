/* config_show.c - a configuration as text: for people, for programs, for a reload.
 *
 * Scalars come from the table, lists are written as JSON (config_lists.c), which is
 * YAML as well, so that one writer serves all three:
 *
 *   show, text    workers.lease_ms: 10000  # default
 *   show, JSON    {"key":"workers.lease_ms","value":10000,"origin":"default"}
 *   diff          two configurations are equal when their texts are
 *
 * Secrets are *** unless they are empty; of redis.url only the password is.
 * The comparison alone writes secrets out, into memory that it frees.
 */
#include "common/config/config_parts.h"

#include <string.h>

#include "common/core/json.h"

#define SHOW_MAX_BYTES ((size_t)8 * 1024 * 1024)

/* ---- scalars ---- */

/* scheme://user:password@host with the password hidden. */
static void add_redacted_url(const char *url, struct buf *b)
{
    const char *scheme = strstr(url, "://");
    const char *host = scheme ? scheme + 3 : url;
    const char *colon = strchr(host, ':');
    const char *at = NULL;

    for (const char *p = host; *p && *p != '/'; p++)
        at = *p == '@' ? p : at;
    if (at && colon && colon < at)
        buf_printf(b, "%.*s***%s", (int)(colon + 1 - url), url, at);
    else
        buf_puts(b, url);
}

static bool needs_quotes(const char *text)
{
    static const char *const words[] = {"~", "null", "Null", "NULL"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return !*text || strchr("-?:,[]{}#&*!|>'\"%@` ", *text) || strstr(text, ": ") ||
           strstr(text, " #") || text[strlen(text) - 1] == ':' || text[strlen(text) - 1] == ' ';
}

static void add_scalar(const struct config *c, enum setting_id id, struct buf *b, bool json)
{
    const struct setting *s = &config_settings[id];
    struct buf text = BUF(SHOW_MAX_BYTES);

    if (s->type == SETTING_STR && id == SETTING_redis_url)
        add_redacted_url(c->redis_url, &text);
    else if (s->flags & SECRET)
        buf_puts(&text, *setting_str(c, s) ? "***" : "");
    else
        setting_text(c, s, &text);
    if ((s->type == SETTING_STR || s->type == SETTING_ENUM) &&
        (json || needs_quotes(text.p ? text.p : "")))
        json_add_string(b, text.p ? text.p : "", text.n);
    else
        buf_add(b, text.p, text.n);
    buf_done(&text);
}

/* ---- show ---- */

static void add_scalar_origin(const struct config *c, enum setting_id id, struct buf *ret)
{
    if (c->origins->of[id].env[0])
        buf_puts(ret, "environment ");
    config_place(c, id, ret);
}

static void add_list_origin(const struct config *c, enum config_list list, struct buf *ret)
{
    if (c->origins->list_line[list])
        buf_printf(ret, "%s:%d", c->path, c->origins->list_line[list]);
    else
        buf_puts(ret, "default");
}

/* One entry: its key, its value as written by a caller, its origin. */
static void add_entry(struct buf *out, const char *key, const struct buf *value,
                      const struct buf *origin, bool json)
{
    if (!json) {
        buf_printf(out, "%s: ", key);
        buf_add_span(out, buf_span(value));
        buf_printf(out, "  # %s\n", origin->p);
        return;
    }
    config_open_item(out);
    json_add_str(out, "key", key);
    json_add_raw(out, "value", buf_span(value));
    json_add_str(out, "origin", origin->p);
    buf_putc(out, '}');
}

void config_show(const struct config *c, struct buf *out, bool json)
{
    struct buf value = BUF(SHOW_MAX_BYTES);
    struct buf origin = BUF(SHOW_MAX_BYTES);

    if (json)
        buf_putc(out, '[');
    for (int i = 0; i < SETTING_COUNT + LIST_COUNT; i++) {
        bool scalar = i < SETTING_COUNT;
        int list = i - SETTING_COUNT;

        buf_clear(&value);
        buf_clear(&origin);
        if (scalar) {
            add_scalar(c, (enum setting_id)i, &value, json);
            add_scalar_origin(c, (enum setting_id)i, &origin);
        } else {
            config_write_list(c, (enum config_list)list, &value, false);
            add_list_origin(c, (enum config_list)list, &origin);
        }
        add_entry(out, scalar ? config_settings[i].name : config_list_names[list], &value, &origin,
                  json);
    }
    if (json)
        buf_puts(out, "]\n");
    buf_done(&value);
    buf_done(&origin);
}

/* ---- diff ---- */

static bool same_list(const struct config *a, const struct config *b, enum config_list list)
{
    struct buf ta = BUF(SHOW_MAX_BYTES);
    struct buf tb = BUF(SHOW_MAX_BYTES);
    bool same;

    config_write_list(a, list, &ta, true);
    config_write_list(b, list, &tb, true);
    same = ta.n == tb.n && memcmp(ta.p, tb.p, ta.n) == 0;
    buf_done(&ta);
    buf_done(&tb);
    return same;
}

static void add_name(struct buf *b, const char *name)
{
    buf_printf(b, "%s%s", b->n ? ", " : "", name);
}

static bool same_provider_names(const struct config *a, const struct config *b)
{
    for (size_t i = 0; i < a->provider_count; i++)
        if (!config_provider(b, a->providers[i].name))
            return false;
    return a->provider_count == b->provider_count;
}

void config_diff(const struct config *old, const struct config *new_, struct buf *changed,
                 struct buf *restart)
{
    bool implicit = !old->origins->list_line[LIST_GROUPS] && !new_->origins->list_line[LIST_GROUPS];

    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (!setting_equal(old, new_, &config_settings[i]))
            add_name(config_settings[i].flags & BOOT ? restart : changed, config_settings[i].name);
    if (!same_list(old, new_, LIST_PROVIDERS))
        add_name(changed, config_list_names[LIST_PROVIDERS]);
    if (!same_provider_names(old, new_)) /* catalogues are fetched of those of the start */
        add_name(restart, config_list_names[LIST_PROVIDERS]);
    if (!implicit && !same_list(old, new_, LIST_GROUPS)) /* the implicit one is in the scalars */
        add_name(changed, config_list_names[LIST_GROUPS]);
    if (!same_list(old, new_, LIST_MODELS))
        add_name(changed, config_list_names[LIST_MODELS]);
    if (!same_list(old, new_, LIST_FALLBACKS))
        add_name(changed, config_list_names[LIST_FALLBACKS]);
    if (!same_list(old, new_, LIST_BUDGETS))
        add_name(changed, config_list_names[LIST_BUDGETS]);
}

void config_keep_boot(struct config *fresh, const struct config *old)
{
    struct err err;
    struct buf text = BUF(65536);

    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *s = &config_settings[i];

        if (!(s->flags & BOOT) || setting_equal(old, fresh, s))
            continue;
        buf_clear(&text);
        setting_text(old, s, &text);
        if (!setting_set(fresh, s, text.n ? text.p : "", &err))
            continue; /* it was accepted before */
        fresh->origins->of[i] = old->origins->of[i];
    }
    buf_done(&text);
}
