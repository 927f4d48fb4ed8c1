/* program.h - what every daemon does first: arguments, settings, logging, limits. */
#ifndef FLOTILLA_PROGRAM_H
#define FLOTILLA_PROGRAM_H

#include "common/config/config.h"

struct program {
    const char *name, *usage; /* one line: what it does */
};
/* Parse -c FILE, --help, --version; load the configuration, set the log up, ignore SIGPIPE, raise
 * the limit of open files.  Returns -1 to go on, else the exit code (0 help/version, 2 usage, 78
 * configuration). */
int program_start(const struct program *p, int argc, char **argv, struct config **ret);
/* Read the configuration again: rows marked LIVE take effect, others are logged as needing a
 * restart; a faulty file changes nothing.  True when *cfg was replaced; the old one lives until
 * program_end (others may point into it). */
bool program_reload(struct config **cfg);
/* Free the configuration, and those before it. */
void program_end(struct config *cfg);
/* The argument of -c, or NULL: for programs that start themselves again. */
const char *program_config_path(void);
/* Memory holds keys and prompts: no core dumps, and no other process of the same user may read it,
 * unless log.core_dumps.  No file takes the place of a standard stream that is closed.  cfg NULL:
 * before it is known.  program_start does it; others do it
 * themselves. */
void program_seal(const struct config *cfg);
/* The log level and format of the configuration. */
void program_log(const char *name, const struct config *cfg);

#endif
