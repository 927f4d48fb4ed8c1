/* http_scene.c - see http_scene.h. */
#include "tests/unit/http_scene.h"

#include <check.h>

struct http_scene http;

void http_scene_open(void)
{
    fake_http_start(&http.server, NULL, NULL);
    http.loop = loop_new();
    http.client = http_client_new(http.loop, NULL);
    ck_assert_ptr_nonnull(http.client);
}

void http_scene_close(void)
{
    http_client_free(http.client);
    loop_free(http.loop);
    fake_http_stop(&http.server);
}

const char *http_scene_url(const char *path)
{
    return shot_url("http", "127.0.0.1", http.server.port, path);
}
