/* reading.h - read a streamed answer along, as it is made (the stream fl:{0}:chunks:<id>). */
#ifndef FLOTILLA_CLI_READING_H
#define FLOTILLA_CLI_READING_H

#include "scheduler/cli/cli.h"

/* Print the text of a job's answer (its first choice) as it comes, or with --json the chunks, one
 * per line, until there is no more to come, or timeout_ms is over (-1: never).  True when something
 * was printed.  How the job ended is for cli_waiting_finish. */
bool cli_read_along(struct cli *c, const char *id, int64_t timeout_ms);

#endif
