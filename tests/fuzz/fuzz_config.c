/* fuzz_config.c - any bytes as a configuration file.
 *
 * It loads, or it is refused with one message; what loads can be shown, as
 * text and as JSON, and equals itself.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/config/config_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void show(const struct config *c)
{
    struct buf text = BUF(16 << 20);
    struct buf restart = BUF(1 << 20);
    json_t *doc;

    config_show(c, &text, false);
    buf_clear(&text);
    config_show(c, &text, true);
    doc = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    if (!doc)
        abort();
    json_decref(doc);
    buf_clear(&text);
    config_diff(c, c, &text, &restart);
    if (text.n || restart.n)
        abort();
    buf_done(&text);
    buf_done(&restart);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *env[] = {NULL};
    struct err err = {0};
    struct config *c = config_build("f.yaml", (const char *)data, size, env, &err);

    if (c)
        show(c);
    else if (err.kind == ERR_NONE || !err.msg[0])
        abort();
    config_free(c);
    return 0;
}
