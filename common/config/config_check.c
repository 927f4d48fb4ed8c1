/* config_check.c - what a setting's type and bounds cannot say.
 *
 * Two tables are run over the loaded configuration, each row a pure function
 * that, when a value will not do, says what was expected:
 *
 *   texts[]      one text and its syntax (the functions are in config_text.c)
 *   relations[]  settings that must fit each other.  The row names the one to
 *                blame and another that takes part: when the first was left at
 *                its default, the second is where the fault was made.
 *
 * To add a rule: one function, one row.
 */
#include "common/config/config_parts.h"

#include <inttypes.h>
#include <strings.h>

static bool base_url_is_safe(const struct config *c, struct err *err);
static bool park_pauses(const struct config *c, struct err *err);
static bool probe_pauses(const struct config *c, struct err *err);
static bool first_delay(const struct config *c, struct err *err);
static bool first_realtime_delay(const struct config *c, struct err *err);
static bool first_finetune_delay(const struct config *c, struct err *err);
static bool lease_outlives_heartbeats(const struct config *c, struct err *err);
static bool watchdog_outlives_lease(const struct config *c, struct err *err);
static bool token_off_loopback(const struct config *c, struct err *err);
static bool alerts_may_be_sent(const struct config *c, struct err *err);
static bool weighs_realtime(const struct config *c, struct err *err);
static bool weighs_standard(const struct config *c, struct err *err);
static bool weighs_batch(const struct config *c, struct err *err);

/* clang-format off */
static const struct {
    enum setting_id id;
    check_text *check;
} texts[] = {
    {SETTING_redis_url,                             check_redis_url},
    {SETTING_redis_prefix,                          check_prefix},
    {SETTING_providers_together_base_url,           check_base_url},
    {SETTING_providers_together_api_key,            check_key},
    {SETTING_providers_together_finetune_api_key,   check_key},
    {SETTING_scheduler_name,                        check_scheduler_name},
    {SETTING_webhooks_secret,                       check_webhook_secret},
    {SETTING_webhooks_old_secret,                   check_webhook_secret},
    {SETTING_webhooks_allow_networks,               check_networks},
    {SETTING_webhooks_schedule_ms,                  check_schedule},
    {SETTING_alerts_webhook_url,                    check_webhook_url},
    {SETTING_alerts_webhook_secret,                 check_webhook_secret},
    {SETTING_http_listen,                           check_listen},
    {SETTING_http_token,                            check_key},
    {SETTING_TOP_data_dir,                          check_absolute_path},
};

static const struct {
    enum setting_id blame, else_blame;
    bool (*check)(const struct config *c, struct err *err);
} relations[] = {
    {SETTING_providers_together_base_url, SETTING_providers_allow_http,   base_url_is_safe},
    {SETTING_retry_park_max_ms,           SETTING_retry_park_min_ms,      park_pauses},
    {SETTING_routing_probe_max_ms,        SETTING_routing_probe_min_ms,   probe_pauses},
    {SETTING_retry_delay_ms,              SETTING_retry_max_ms,           first_delay},
    {SETTING_retry_realtime_delay_ms,     SETTING_retry_max_ms,           first_realtime_delay},
    {SETTING_retry_finetune_delay_ms,     SETTING_retry_max_ms,           first_finetune_delay},
    {SETTING_workers_lease_ms,            SETTING_workers_heartbeat_ms,   lease_outlives_heartbeats},
    {SETTING_workers_watchdog_ms,         SETTING_workers_lease_ms,       watchdog_outlives_lease},
    {SETTING_http_listen,                 SETTING_http_token,             token_off_loopback},
    {SETTING_alerts_webhook_url,          SETTING_webhooks_allow_http,    alerts_may_be_sent},
    {SETTING_routing_realtime_latency,    SETTING_routing_realtime_quality, weighs_realtime},
    {SETTING_routing_standard_price,      SETTING_routing_standard_latency, weighs_standard},
    {SETTING_routing_batch_price,         SETTING_routing_batch_quality,  weighs_batch},
};
/* clang-format on */

static bool fail(const struct config *c, enum setting_id id, const char *got, const struct err *why,
                 struct err *err)
{
    struct buf place = BUF(CONFIG_FILE_MAX_BYTES);

    config_place(c, id, &place);
    err_set(err, ERR_CONFIG, "%s: %s: %s%s%s", place.p, config_settings[id].name, why->msg,
            got ? "; got " : "", got ? got : "");
    buf_done(&place);
    return false;
}

static bool is_default(const struct config *c, enum setting_id id)
{
    return c->origins->of[id].line == 0 && c->origins->of[id].env[0] == 0;
}

bool config_check(const struct config *c, struct err *err)
{
    struct err why = {0};
    char got[CONFIG_QUOTED];

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const struct setting *s = &config_settings[texts[i].id];
        const char *text = setting_str(c, s);

        if (!texts[i].check(text, &why))
            return fail(c, texts[i].id, s->flags & SECRET ? NULL : config_quote(text, got), &why,
                        err);
    }
    for (size_t i = 0; i < ARRAY_LEN(relations); i++) {
        bool other = is_default(c, relations[i].blame);

        if (!relations[i].check(c, &why))
            return fail(c, other ? relations[i].else_blame : relations[i].blame, NULL, &why, err);
    }
    return true;
}

/* ---- relations ---- */

static bool base_url_is_safe(const struct config *c, struct err *err)
{
    return check_url_is_safe(c->providers_together_base_url, c->providers_allow_http, err);
}

static bool at_most(const char *name, int64_t v, const char *limit_name, int64_t limit,
                    struct err *err)
{
    return v <= limit ||
           err_set(err, ERR_CONFIG, "expected %s to be at most %s; got %" PRId64 " and %" PRId64,
                   name, limit_name, v, limit);
}

static bool park_pauses(const struct config *c, struct err *err)
{
    return at_most("retry.park_min_ms", c->retry_park_min_ms, "retry.park_max_ms",
                   c->retry_park_max_ms, err);
}

static bool probe_pauses(const struct config *c, struct err *err)
{
    return at_most("routing.probe_min_ms", c->routing_probe_min_ms, "routing.probe_max_ms",
                   c->routing_probe_max_ms, err);
}

static bool first_delay(const struct config *c, struct err *err)
{
    return at_most("retry.delay_ms", c->retry_delay_ms, "retry.max_ms", c->retry_max_ms, err);
}

static bool first_realtime_delay(const struct config *c, struct err *err)
{
    return at_most("retry.realtime_delay_ms", c->retry_realtime_delay_ms, "retry.max_ms",
                   c->retry_max_ms, err);
}

static bool first_finetune_delay(const struct config *c, struct err *err)
{
    return at_most("retry.finetune_delay_ms", c->retry_finetune_delay_ms, "retry.max_ms",
                   c->retry_max_ms, err);
}

static bool lease_outlives_heartbeats(const struct config *c, struct err *err)
{
    return at_most("3 x workers.heartbeat_ms", 3 * c->workers_heartbeat_ms, "workers.lease_ms",
                   c->workers_lease_ms, err);
}

/* A loop that stands still is found by its lease first, and killed when that did not end it. */
static bool watchdog_outlives_lease(const struct config *c, struct err *err)
{
    return c->workers_watchdog_ms > c->workers_lease_ms ||
           err_set(err, ERR_CONFIG,
                   "expected more than workers.lease_ms; got %" PRId64 " and %" PRId64,
                   c->workers_watchdog_ms, c->workers_lease_ms);
}

static bool token_off_loopback(const struct config *c, struct err *err)
{
    return *c->http_listen == 0 || *c->http_token || text_is_loopback(c->http_listen) ||
           err_set(err, ERR_CONFIG,
                   "expected http.listen to be a loopback address, or http.token to be set; got "
                   "'%.64s' without a token",
                   c->http_listen);
}

static bool alerts_may_be_sent(const struct config *c, struct err *err)
{
    return strncasecmp(c->alerts_webhook_url, "http://", 7) != 0 || c->webhooks_allow_http ||
           *c->webhooks_allow_networks ||
           err_set(err, ERR_CONFIG,
                   "expected https://, as http:// goes only to webhooks.allow_networks unless "
                   "webhooks.allow_http is true");
}

static bool weighs(int64_t price, int64_t latency, int64_t quality, struct err *err)
{
    return price + latency + quality > 0 ||
           err_set(err, ERR_CONFIG,
                   "expected one weight of price, latency and quality to be over 0");
}

static bool weighs_realtime(const struct config *c, struct err *err)
{
    return weighs(c->routing_realtime_price, c->routing_realtime_latency,
                  c->routing_realtime_quality, err);
}

static bool weighs_standard(const struct config *c, struct err *err)
{
    return weighs(c->routing_standard_price, c->routing_standard_latency,
                  c->routing_standard_quality, err);
}

static bool weighs_batch(const struct config *c, struct err *err)
{
    return weighs(c->routing_batch_price, c->routing_batch_latency, c->routing_batch_quality, err);
}
