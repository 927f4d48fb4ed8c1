/* http_scene.h - a client and the scripted server that it calls. */
#ifndef FLOTILLA_TESTS_HTTP_SCENE_H
#define FLOTILLA_TESTS_HTTP_SCENE_H

#include "common/io/http_client.h"
#include "common/io/loop.h"
#include "tests/unit/fake_http.h"
#include "tests/unit/http_shot.h"

extern struct http_scene {
    struct fake_http server;
    struct loop *loop;
    struct http_client *client;
} http;

/* Checked fixture. */
void http_scene_open(void);
void http_scene_close(void);
const char *http_scene_url(const char *path); /* of the server; see shot_url */

#endif
