/* config_scene.c - see config_scene.h. */
#include "tests/unit/config_scene.h"

#include <string.h>

struct config *config_of(const char *text, const char *const *env, struct err *err)
{
    static const char *const none[] = {NULL};

    return config_build("f.yaml", text, text ? strlen(text) : 0, env ? env : none, err);
}

struct config *config_good(const char *text)
{
    struct err err = {0};
    struct config *c = config_of(text, NULL, &err);

    ck_assert_msg(c, "%s", err.msg);
    return c;
}
