/* scripts.c - puts the prelude before each embedded script.
 *
 * The shebang line tells Redis whether the script may run while memory is
 * full; it must be the first line, so it is added here and not in the files. */
#include "common/queue/scripts.h"

#include <openssl/evp.h>
#include <string.h>

#include "common/core/buf.h"

extern const char asset_common_queue_lua_prelude_lua[];
#define X(NAME, file, flags) extern const char asset_common_queue_lua_##file##_lua[];
#include "common/queue/scripts.def"

static const struct {
    const char *name, *flags, *text;
} sources[SCRIPT_COUNT] = {
#define X(NAME, file, flags) [SCRIPT_##NAME] = {#file, flags, asset_common_queue_lua_##file##_lua},
#include "common/queue/scripts.def"
};

static struct redis_script built[SCRIPT_COUNT];
static const struct redis_script *all[SCRIPT_COUNT + 1];

static void sha1_hex(const char *text, char hex[41])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned int n = 0;

    EVP_Digest(text, strlen(text), md, &n, EVP_sha1(), NULL);
    for (unsigned int i = 0; i < 20; i++) {
        hex[2 * i] = digits[md[i] >> 4];
        hex[2 * i + 1] = digits[md[i] & 15];
    }
    hex[40] = '\0';
}

static void build(enum script_id id)
{
    struct buf b = BUF(256 * 1024);

    buf_printf(&b, "#!lua%s%s\n", sources[id].flags[0] ? " flags=" : "", sources[id].flags);
    buf_puts(&b, asset_common_queue_lua_prelude_lua);
    buf_puts(&b, sources[id].text);
    built[id].name = sources[id].name;
    built[id].text = buf_take(&b);
    sha1_hex(built[id].text, built[id].sha1);
}

const struct redis_script *script(enum script_id id)
{
    if (!built[id].text)
        build(id);
    return &built[id];
}

const struct redis_script *const *scripts_all(void)
{
    for (int i = 0; i < SCRIPT_COUNT; i++)
        all[i] = script((enum script_id)i);
    return all;
}
