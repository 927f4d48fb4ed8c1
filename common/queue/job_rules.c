/* job_rules.c - the rules of a job document that a schema cannot say.
 *
 * Times must be times, a webhook's URL must name a host that can be called, and
 * our own words must be written plainly.  The shape was checked before: what is
 * there has the type that schemas/job.json wants.
 *
 * To add a rule: a function and a row in `rules`; its message starts with the
 * path of the field and says what was expected.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include <jansson.h>

#include "common/core/clock.h"
#include "common/core/json.h"
#include "common/core/parse.h"
#include "common/queue/job_parts.h"
#include "common/schema/schema_cache.h"

/* 2500-01-01: later times do not fit a record's 11 hex digits. */
#define RUN_AT_MAX_MS INT64_C(16725225600000)

enum { HOST_MAX = 253, LABEL_MAX = 63 }; /* RFC 1035 */

static bool check_run_at(const json_t *root, const struct job *job UNUSED, struct err *err)
{
    const json_t *v = json_object_get(root, "run_at");
    int64_t ms = 0;

    if (!v)
        return true;
    if (!clock_parse_rfc3339(json_string_value(v), json_string_length(v), &ms))
        return err_set(
            err, ERR_INVALID,
            "run_at: expected a time as RFC 3339 has it, like 2026-11-22T09:00:00Z; this "
            "is none");
    if (ms >= RUN_AT_MAX_MS)
        return err_set(err, ERR_INVALID, "run_at: expected a time before the year 2500");
    return true;
}

/* ---- webhooks ---- */

/* Between "://" (and "user@") and the path. */
static struct span url_host(const char *url)
{
    const char *p = strstr(url, "://") + 3;
    const char *end = p + strcspn(p, "/?#");
    const char *at = memrchr(p, '@', (size_t)(end - p));

    p = at ? at + 1 : p;
    return (struct span){p, (size_t)(end - p)};
}

/* name, name:80, [::1] or [::1]:80 */
static bool has_good_port(struct span host)
{
    const char *end = host.p + host.n;
    const char *port = memrchr(host.p, ':', host.n);
    int64_t v;

    if (*host.p == '[') {
        const char *close = memchr(host.p, ']', host.n);

        if (!close || close == host.p + 1 || (close + 1 < end && close[1] != ':'))
            return false;
        port = close + 1 < end ? close + 1 : NULL;
    } else if (memchr(host.p, ':', host.n) != port) {
        return false;
    }
    return !port || parse_int64(port + 1, (size_t)(end - port - 1), 1, 65535, &v);
}

/* The host without its port and brackets. */
static struct span bare_host(struct span host)
{
    const char *end;

    if (*host.p == '[') {
        end = memchr(host.p, ']', host.n);
        return (struct span){host.p + 1, (size_t)(end - host.p - 1)};
    }
    end = memchr(host.p, ':', host.n);
    return (struct span){host.p, end ? (size_t)(end - host.p) : host.n};
}

/* What is wrong with a name (RFC 1123; an underscore is used by some), or NULL. */
static const char *name_fault(struct span host)
{
    size_t label = 0;

    if (host.n && host.p[host.n - 1] == '.')
        host.n--;
    if (host.n > HOST_MAX)
        return "its host is longer than 253 characters";
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];

        if (c == '.' ? label == 0 : label == LABEL_MAX)
            return c == '.' ? "its host has an empty label" : "a label of its host is over 63 long";
        label = c == '.' ? 0 : label + 1;
        if (!strchr(".-_", c) && !isalnum((unsigned char)c))
            return "its host cannot be resolved: a name has only letters, digits, dots and hyphens";
    }
    return label == 0 ? "its host has an empty label" : NULL;
}

/* An address in brackets, one of numbers (in any form: the delivery decides about it), or a name.
 */
static const char *host_fault(struct span host)
{
    struct span bare = bare_host(host);
    char text[INET6_ADDRSTRLEN + 1] = "";
    struct in6_addr v6;
    struct in_addr v4;

    if (*host.p != '[' && strspn(bare.p, "0123456789.") < bare.n)
        return name_fault(bare);
    if (bare.n < sizeof text)
        memcpy(text, bare.p, bare.n);
    if (*host.p == '[' ? inet_pton(AF_INET6, text, &v6) == 1 : inet_aton(text, &v4) == 1)
        return NULL;
    return "its host is not an address";
}

static bool is_ascii(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)p[i] >= 0x80)
            return false;
    return true;
}

/* The first byte that a URL cannot have as it is. */
static const char *bytes_fault(const char *url, size_t n)
{
    const char *host = memmem(url, n, "://", 3);
    size_t host_n = host ? strcspn(host + 3, "/?#") : 0;

    if (host && !is_ascii(host + 3, host_n))
        return "an international host is written in ASCII (xn--...)";
    if (host && memchr(host + 3, '@', host_n) != memrchr(host + 3, '@', host_n))
        return "an '@' in its user or password must be percent-encoded";
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)url[i] <= 0x20 || (unsigned char)url[i] >= 0x7f ||
            strchr("\\\"<>^`{|}", url[i]))
            return "a character in it must be percent-encoded";
    return NULL;
}

const char *job_url_fault(const char *url, size_t n)
{
    const char *fault = bytes_fault(url, n);
    struct span host;

    if (fault)
        return fault;
    if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
        return "it does not start with http:// or https://";
    host = url_host(url);
    if (host.n == 0 || *host.p == ':')
        return "it has no host";
    return has_good_port(host) ? host_fault(host) : "its port is not a number from 1 to 65535";
}

static bool check_webhook(const json_t *root, const struct job *job UNUSED, struct err *err)
{
    const json_t *v = json_object_get(json_object_get(root, "webhook"), "url");
    const char *fault = v ? job_url_fault(json_string_value(v), json_string_length(v)) : NULL;

    return !fault ||
           err_set(err, ERR_INVALID,
                   "webhook.url: expected a URL like https://example.com/hook; %s", fault);
}

/* ---- plain words ---- */

/* These go on as raw bytes, into sums and results, where "\u0061cme" must not be another tenant
 * than "acme".  No encoder escapes their characters, so only somebody who tries is refused. */
static bool check_plain(const json_t *root UNUSED, const struct job *job, struct err *err)
{
    const struct {
        const char *name;
        struct span raw;
    } words[] = {{"id", job->id},
                 {"tenant", job->tenant},
                 {"traceparent", job->traceparent},
                 {"payload.task", json_at(job->payload, "task")}};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (words[i].raw.n && memchr(words[i].raw.p, '\\', words[i].raw.n))
            return err_set(err, ERR_INVALID, "%s: expected plain characters, got escapes",
                           words[i].name);
    return true;
}

static bool check_plain_if_needed(const json_t *root, const struct job *job, struct err *err)
{
    return !memchr(job->doc.p, '\\', job->doc.n) || check_plain(root, job, err);
}

/* ---- schemas of answers ---- */

static bool check_validate(const json_t *root, const struct job *job, struct err *err)
{
    struct err why = {0};

    if (!json_object_get(json_object_get(root, "payload"), "validate") ||
        job->type != JOB_INFERENCE)
        return true;
    return schema_cached(json_at(job->payload, "validate.schema"), false, &why) ||
           err_set(err, ERR_INVALID, "payload.validate.schema: %s", why.msg);
}

/* ---- models ---- */

static bool check_fallbacks(const json_t *root, const struct job *job UNUSED, struct err *err)
{
    const json_t *list = json_object_get(json_object_get(root, "payload"), "fallbacks"), *v;
    size_t i;

    json_array_foreach (list, i, v)
        if (!strcmp(json_string_value(v), "auto"))
            return err_set(err, ERR_INVALID,
                           "payload.fallbacks[%zu]: expected the id of a model, got \"auto\"; with "
                           "model \"auto\" the router chooses all of them",
                           i);
    return true;
}

static bool (*const rules[])(const json_t *root, const struct job *job, struct err *err) = {
    check_run_at, check_webhook, check_plain_if_needed, check_validate, check_fallbacks,
};

bool job_rules(const json_t *root, const struct job *job, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        if (!rules[i](root, job, err))
            return false;
    return true;
}
