/* scripts.h - the Lua scripts, ready for redis_script(). */
#ifndef FLOTILLA_SCRIPTS_H
#define FLOTILLA_SCRIPTS_H

#include "common/io/redis.h"

enum script_id {
#define X(NAME, file, flags) SCRIPT_##NAME,
#include "common/queue/scripts.def"
    SCRIPT_COUNT
};

/* The script's text with its prelude; made on first use, lives as long as the process. */
const struct redis_script *script(enum script_id id);
/* All of them, NULL-terminated: for redis_options.scripts. */
const struct redis_script *const *scripts_all(void);

#endif
