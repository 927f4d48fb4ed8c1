/* doctor.c - `flotilla doctor`: looks at everything a set-up needs, and says how to mend what is
 * wrong.
 *
 * A check is one row: what it looks at, a function, and the advice when it
 * fails.  A check that cannot be made (Redis is away, or refuses it) is skipped, with the reason:
 * nothing is known then, good or bad.  Those of the server itself are doctor_redis.c. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/core/clock.h"
#include "common/core/digest.h"
#include "common/core/parse.h"
#include "common/core/xalloc.h"
#include "common/io/ca_file.h"
#include "scheduler/cli/cli.h"
#include "scheduler/cli/doctor.h"

enum { SAID_AT = 21 };
static const char *const verdicts[] = {"ok", "warn", "FAIL", "skip"};

struct check {
    const char *name;
    doctor_look *look;
    const char *advice;
};

static enum verdict redis_reachable(struct cli *c, char *said, size_t size)
{
    struct err err = {0};

    if (c->redis && redis_is_ready(c->redis)) {
        snprintf(said, size, "connected");
        return GOOD;
    }
    if (!cli_connect(c, &err)) {
        snprintf(said, size, "%.300s", err.msg);
        return BAD;
    }
    snprintf(said, size, "connected");
    return GOOD;
}

static enum verdict clocks(struct cli *c, char *said, size_t size)
{
    const struct reply *r;
    int64_t offset;

    r = doctor_ask(c, said, size, "TIME", NULL);
    if (!r)
        return SKIPPED;
    offset = clock_wall_ms() - reply_int(reply_at(r, 0)) * 1000 - reply_int(reply_at(r, 1)) / 1000;
    snprintf(said, size, "this host is %+" PRId64 " ms off Redis's clock", offset);
    return llabs(offset) < 2000 ? GOOD : WARN;
}

/* An integer of Redis; false: it is not known, as was said. */
static bool number(struct cli *c, char *said, size_t size, const char *command, enum key_id id,
                   int64_t *ret)
{
    const struct reply *r = doctor_ask(c, said, size, command, key(&c->keys, id), NULL);

    *ret = reply_int(r);
    return r != NULL;
}

static enum verdict scheduler_there(struct cli *c, char *said, size_t size)
{
    int64_t n;

    if (!number(c, said, size, "EXISTS", KEY_LEASE, &n))
        return SKIPPED;
    snprintf(said, size, "%s holds the lease", n == 1 ? "one" : "none");
    return n == 1 ? GOOD : BAD;
}

static enum verdict workers_there(struct cli *c, char *said, size_t size)
{
    int64_t n;

    if (!number(c, said, size, "HLEN", KEY_WORKERS, &n))
        return SKIPPED;
    snprintf(said, size, "%" PRId64 " worker process%s", n, n == 1 ? "" : "es");
    return n > 0 ? GOOD : BAD;
}

static enum verdict intake_moves(struct cli *c, char *said, size_t size)
{
    int64_t n;

    if (!number(c, said, size, "LLEN", KEY_INTAKE, &n))
        return SKIPPED;
    snprintf(said, size, "%" PRId64 " documents are in intake", n);
    return n < 10000 ? GOOD : WARN;
}

static enum verdict none_aside(struct cli *c, char *said, size_t size)
{
    int64_t n;

    if (!number(c, said, size, "LLEN", KEY_ASIDE, &n))
        return SKIPPED;
    snprintf(said, size, "%" PRId64 " documents in %s", n, key(&c->keys, KEY_ASIDE));
    return n == 0 ? GOOD : WARN;
}

/* The provider of the configuration that has this key; "" none, or its key is not known here. */
static const char *owner_of(const struct cli *c, struct span fingerprint)
{
    for (size_t i = 0; i < c->cfg->provider_count; i++) {
        const struct config_provider *p = &c->cfg->providers[i];
        const char *keys[] = {p->api_key, p->finetune_api_key};

        for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
            char text[DIGEST_TEXT];

            if (!keys[k])
                continue;
            digest_text((struct span){keys[k], strlen(keys[k])}, text);
            if (strlen(text) == fingerprint.n && !memcmp(text, fingerprint.p, fingerprint.n))
                return p->name;
        }
    }
    return "";
}

/* "<since> <next probe> <code>" in words. */
static void say_stop(const struct cli *c, struct span name, struct span stop, struct buf *b)
{
    const char *owner = owner_of(c, name), *blank = memchr(stop.p, ' ', stop.n);
    const char *code = memrchr(stop.p, ' ', stop.n);
    size_t n = code ? (size_t)(stop.p + stop.n - code - 1) : 0;
    enum err_kind kind = n ? err_kind_of(code + 1, n) : ERR_NONE;
    int64_t since;

    buf_printf(b, "%skey %.*s%s%s%s is stopped", b->n ? "; " : "", (int)name.n, name.p,
               *owner ? " (" : "", owner, *owner ? ")" : "");
    if (blank && parse_int64(stop.p, (size_t)(blank - stop.p), 0, INT64_MAX, &since))
        buf_printf(b, " since %s", cli_when(since, clock_wall_ms()));
    if (kind != ERR_NONE)
        buf_printf(b, ": %s", err_text(kind));
}

static enum verdict keys_stopped(struct cli *c, char *said, size_t size)
{
    struct buf b = BUF(4096);
    const struct reply *r;
    size_t n;

    r = doctor_ask(c, said, size, "HGETALL", key(&c->keys, KEY_STOPS), NULL);
    if (!r)
        return SKIPPED;
    n = reply_count(r);
    for (size_t i = 0; i + 1 < n; i += 2)
        say_stop(c, reply_span(reply_at(r, i)), reply_span(reply_at(r, i + 1)), &b);
    snprintf(said, size, "%s", b.n ? b.p : "no provider key is stopped");
    buf_done(&b);
    return n < 2 ? GOOD : BAD;
}

static enum verdict queues_paused(struct cli *c, char *said, size_t size)
{
    int64_t n;

    if (!number(c, said, size, "HLEN", KEY_PAUSED, &n))
        return SKIPPED;
    snprintf(said, size, "%" PRId64 " queues are paused", n);
    return n == 0 ? GOOD : WARN;
}

static bool lacks_key(const struct config_provider *p) { return !p->api_key && !p->loopback; }

static enum verdict api_key(struct cli *c, char *said, size_t size)
{
    const struct config_provider *p = config_provider(c->cfg, "together");
    size_t n = (size_t)snprintf(said, size, "%.200s, %s", p->base_url,
                                p->api_key    ? "a key is set"
                                : p->loopback ? "loopback, no key"
                                              : "no key is set");
    bool bad = lacks_key(p);

    for (size_t i = 0; i < c->cfg->provider_count; i++) {
        const struct config_provider *other = &c->cfg->providers[i];

        if (other == p || !lacks_key(other))
            continue;
        bad = true;
        if (n < size)
            n += (size_t)snprintf(said + n, size - n, "; %s: no key is set", other->name);
    }
    return bad ? BAD : GOOD;
}

/* The first that cannot be used; NULL: all can. */
static const char *bad_authorities(const struct cli *c, size_t *files, struct err *err)
{
    const char *paths[3 + CONFIG_PROVIDERS_MAX] = {c->cfg->redis_ca_file, c->cfg->webhooks_ca_file,
                                                   getenv("SSL_CERT_FILE")};
    size_t n = 3, certificates;

    for (size_t i = 0; i < c->cfg->provider_count; i++)
        paths[n++] = c->cfg->providers[i].ca_file;
    *files = 0;
    for (size_t i = 0; i < n; i++) {
        if (!paths[i] || !*paths[i])
            continue;
        ++*files;
        if (!ca_file_check(paths[i], &certificates, err))
            return paths[i];
    }
    return NULL;
}

static enum verdict authorities(struct cli *c, char *said, size_t size)
{
    struct err err = {0};
    size_t files;
    bool bad = bad_authorities(c, &files, &err) != NULL;

    if (bad)
        snprintf(said, size, "%.300s", err.msg);
    else if (files)
        snprintf(said, size, "%zu files beside the system's", files);
    else
        snprintf(said, size, "the system's");
    return bad ? BAD : GOOD;
}

static enum verdict webhook_secret(struct cli *c, char *said, size_t size)
{
    bool set = c->cfg->webhooks_secret[0] != '\0';

    snprintf(said, size, "webhooks are %s", set ? "signed" : "not signed");
    return set ? GOOD : WARN;
}

static enum verdict open_files(struct cli *c, char *said, size_t size)
{
    struct rlimit r = {0};
    int64_t need = 256;

    for (size_t i = 0; i < c->cfg->group_count; i++)
        if (c->cfg->groups[i].concurrency + 64 > need)
            need = c->cfg->groups[i].concurrency + 64;
    getrlimit(RLIMIT_NOFILE, &r);
    snprintf(said, size, "%llu open files allowed, a process needs %" PRId64,
             (unsigned long long)r.rlim_max, need);
    return (int64_t)r.rlim_max >= need ? GOOD : BAD;
}

static enum verdict settings_known(struct cli *c, char *said, size_t size)
{
    const struct config *cfg = c->cfg;

    if (cfg->warning_count == 0) {
        snprintf(said, size, "%s", cfg->path ? cfg->path : "environment and defaults");
        return GOOD;
    }
    snprintf(said, size, "%s%s", cfg->warnings[0], cfg->warning_count > 1 ? " (and more)" : "");
    return WARN;
}

static const struct check checks[] = {
    {"settings", settings_known,
     "unset it, or correct its name; `flotilla config check` lists all"},
    {"redis", redis_reachable, "start Redis, wait until it has loaded its data, or set REDIS_URL"},
    {"redis version", doctor_version, "flotilla needs Redis 7.0 or newer (or Valkey)"},
    {"eviction", doctor_eviction,
     "CONFIG SET maxmemory-policy noeviction: anything else silently deletes jobs"},
    {"memory limit", doctor_memory_limit,
     "set maxmemory, so that intake stops before the host runs out of memory"},
    {"memory", doctor_memory,
     "let jobs end, shorten `retention`, or raise maxmemory; intake then resumes by itself"},
    {"writes", doctor_writes,
     "see the log of Redis: free or repair its disk, then run BGSAVE. For a replica: set REDIS_URL "
     "to the "
     "primary. Workers then write what they have finished"},
    {"persistence", doctor_persistence,
     "see the log of Redis if a write or snapshot failed; set appendonly yes (with appendfsync "
     "always, "
     "nothing that was acknowledged is lost)"},
    {"clock", clocks, "run a time service on all hosts"},
    {"scheduler", scheduler_there,
     "start flotilla-scheduler; without it no document is taken from intake"},
    {"workers", workers_there, "start flotilla-worker; without it no job runs"},
    {"intake", intake_moves,
     "the scheduler is too slow, or intake is stopped because Redis is nearly full"},
    {"aside", none_aside,
     "give the scheduler more memory, then for each: LMOVE aside intake RIGHT LEFT (whole keys)"},
    {"provider key", api_key,
     "set TOGETHER_API_KEY, or api_key of the other provider; until then its jobs wait"},
    {"stopped keys", keys_stopped,
     "correct the key or the balance, then run `flotilla resume FINGERPRINT`"},
    {"paused queues", queues_paused, "`flotilla resume QUEUE`"},
    {"authorities", authorities,
     "set ca_file and SSL_CERT_FILE to readable files with certificates in PEM format"},
    {"webhooks", webhook_secret,
     "set webhooks.secret (whsec_...), so that receivers can verify them"},
    {"open files", open_files, "raise LimitNOFILE or ulimit -n"},
};

static void print_check(const struct check *check, enum verdict v, const char *said, bool advise)
{
    printf("%-5s %-14s ", verdicts[v], check->name);
    cli_put_text(SAID_AT, (struct span){said, strlen(said)});
    if (!advise)
        return;
    printf("%*s-> ", SAID_AT, "");
    cli_put_text(SAID_AT + 3, (struct span){check->advice, strlen(check->advice)});
}

int cli_doctor(struct cli *c)
{
    bool bad = false;

    if (c->argc > 0)
        return cli_usage(c);
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        char said[400] = "Redis is away";
        enum verdict v = checks[i].look(c, said, sizeof said);
        bool advise = v == WARN || v == BAD;

        bad |= v == BAD;
        if (c->json)
            cli_print_json(json_pack("{s:s, s:s, s:s, s:s*}", "check", checks[i].name, "verdict",
                                     verdicts[v], "found", said, "advice",
                                     advise ? checks[i].advice : NULL));
        else
            print_check(&checks[i], v, said, advise);
    }
    return bad ? CLI_FAILED : CLI_OK;
}
