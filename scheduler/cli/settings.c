/* settings.c - `flotilla config show | check`. */
#include <stdio.h>
#include <string.h>

#include "scheduler/cli/cli.h"

/* A faulty configuration never comes this far, but for what is inside of redis.url. */
static void check(const struct cli *c)
{
    json_t *warnings = json_array();

    for (size_t i = 0; i < c->cfg->warning_count; i++) {
        json_array_append_new(warnings, json_string(c->cfg->warnings[i]));
        if (!c->json)
            printf("warning: %s\n", c->cfg->warnings[i]);
    }
    if (c->json)
        cli_print_json(json_pack("{s:b, s:O}", "ok", 1, "warnings", warnings));
    else
        printf("%s: good\n", c->cfg->path ? c->cfg->path : "no file, environment and defaults");
    json_decref(warnings);
}

int cli_config(struct cli *c)
{
    struct buf out = BUF(1 << 20);
    struct redis_url url;
    struct err err = {0};

    if (c->argc != 1 || (strcmp(c->argv[0], "show") != 0 && strcmp(c->argv[0], "check") != 0))
        return cli_usage(c);
    if (!strcmp(c->argv[0], "show")) {
        config_show(c->cfg, &out, c->json);
        fwrite(out.p, 1, out.n, stdout);
    } else if (redis_url_parse(c->cfg->redis_url, &url, &err)) {
        redis_url_done(&url);
        check(c);
    }
    buf_done(&out);
    return err.kind == ERR_NONE ? CLI_OK : cli_fail(CLI_CONFIG, "redis.url: %s", err.msg);
}
