/* config_check.c - what a setting's type and bounds cannot say.
 *
 * Three tables are run over the loaded configuration.  A row that does not hold says what was
 * expected:
 *
 *   texts[]      one text and its syntax (the functions are in config_text.c)
 *   relations[]  settings that must fit each other.  The row names the one to
 *                blame and another that takes part: when the first was left at
 *                its default, the second is where the fault was made.
 *
 *   limits[]     one number at most another
 *
 * To add a rule: one row, and a function unless it is a limit.
 */
#include "common/config/config_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

static bool base_url_is_safe(const struct config *c, struct err *err);
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
    {SETTING_workers_watchdog_ms,         SETTING_workers_lease_ms,       watchdog_outlives_lease},
    {SETTING_http_listen,                 SETTING_http_token,             token_off_loopback},
    {SETTING_alerts_webhook_url,          SETTING_webhooks_allow_http,    alerts_may_be_sent},
    {SETTING_routing_realtime_latency,    SETTING_routing_realtime_quality, weighs_realtime},
    {SETTING_routing_standard_price,      SETTING_routing_standard_latency, weighs_standard},
    {SETTING_routing_batch_price,         SETTING_routing_batch_quality,  weighs_batch},
};

/* times x lesser <= greater.  Which of them is to blame, as in relations[]. */
enum first { LESSER, GREATER };
static const struct {
    enum setting_id lesser, greater;
    int times;
    enum first blame;
} limits[] = {
    {SETTING_retry_park_min_ms,       SETTING_retry_park_max_ms,    1, GREATER},
    {SETTING_routing_probe_min_ms,    SETTING_routing_probe_max_ms, 1, GREATER},
    {SETTING_retry_delay_ms,          SETTING_retry_max_ms,         1, LESSER},
    {SETTING_retry_realtime_delay_ms, SETTING_retry_max_ms,         1, LESSER},
    {SETTING_retry_finetune_delay_ms, SETTING_retry_max_ms,         1, LESSER},
    {SETTING_workers_heartbeat_ms,    SETTING_workers_lease_ms,     3, GREATER},
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

/* Of two settings that do not fit each other: the second when the first has its default. */
static bool fail_one(const struct config *c, enum setting_id blame, enum setting_id other,
                     const struct err *why, struct err *err)
{
    return fail(c, is_default(c, blame) ? other : blame, NULL, why, err);
}

static bool check_limits(const struct config *c, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        enum setting_id lesser = limits[i].lesser, greater = limits[i].greater;
        int64_t v = limits[i].times * setting_int(c, lesser), most = setting_int(c, greater);
        struct err why = {0};
        char times[16] = "";

        if (v <= most)
            continue;
        if (limits[i].times > 1)
            snprintf(times, sizeof times, "%d x ", limits[i].times);
        err_set(&why, ERR_CONFIG, "expected %s%s to be at most %s; got %" PRId64 " and %" PRId64,
                times, config_settings[lesser].name, config_settings[greater].name, v, most);
        return limits[i].blame == LESSER ? fail_one(c, lesser, greater, &why, err)
                                         : fail_one(c, greater, lesser, &why, err);
    }
    return true;
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
    for (size_t i = 0; i < ARRAY_LEN(relations); i++)
        if (!relations[i].check(c, &why))
            return fail_one(c, relations[i].blame, relations[i].else_blame, &why, err);
    return check_limits(c, err);
}

/* ---- relations ---- */

static bool base_url_is_safe(const struct config *c, struct err *err)
{
    return check_url_is_safe(c->providers_together_base_url, c->providers_allow_http, err);
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
