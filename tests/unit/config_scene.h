/* config_scene.h - configurations out of a text, as if it were the file f.yaml. */
#ifndef FLOTILLA_TESTS_CONFIG_SCENE_H
#define FLOTILLA_TESTS_CONFIG_SCENE_H

#include <check.h>

#include "common/config/config_parts.h"

/* One item of a list; it is on line 3, or 2 for a model. */
#define GROUPS(text) "workers:\n  groups:\n  - " text "\n"
#define MODELS(text) "models:\n- " text "\n"
#define OTHERS(text) "providers:\n  others:\n  - " text "\n"

/* text and env may be NULL: no file, no variables. */
struct config *config_of(const char *text, const char *const *env, struct err *err);
/* One that must load, without variables. */
struct config *config_good(const char *text);

#endif
