/* settings.c - `flotilla config show | check`. */
#include <stdio.h>
#include <string.h>

#include "scheduler/cli/cli.h"

int cli_config(struct cli *c)
{
    struct buf out = BUF(1 << 20);

    if (c->argc != 1 || (strcmp(c->argv[0], "show") != 0 && strcmp(c->argv[0], "check") != 0))
        return cli_usage(c);
    if (!strcmp(c->argv[0], "show")) {
        config_show(c->cfg, &out, c->json);
        fwrite(out.p, 1, out.n, stdout);
    } else if (c->json) { /* a faulty configuration never came this far */
        printf("{\"ok\":true}\n");
    } else {
        printf("%s: good\n", c->cfg->path ? c->cfg->path : "no file, environment and defaults");
    }
    buf_done(&out);
    return CLI_OK;
}
