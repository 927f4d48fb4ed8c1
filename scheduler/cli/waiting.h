/* waiting.h - wait for jobs to end, by their records, and print their results. */
#ifndef FLOTILLA_CLI_WAITING_H
#define FLOTILLA_CLI_WAITING_H

#include "scheduler/cli/cli.h"

struct cli_waiting;
struct cli_waiting *cli_waiting_new(struct cli *c);
/* digest: of the document that was submitted under that id (struct job_checked); "" when it is not
 * known, or the id is new. */
void cli_waiting_add(struct cli_waiting *w, const char *id, const char *digest);
/* Look once at what is missing and print what ended; a progress bar on a terminal. */
void cli_waiting_progress(struct cli_waiting *w, bool look);
/* Wait for all, at most timeout_ms (-1: for ever); frees w.  CLI_OK, CLI_JOB_FAILED when one did
 * not complete, CLI_NOT_FOUND when one does not exist, CLI_FAILED when time ran out. */
int cli_waiting_finish(struct cli_waiting *w, int64_t timeout_ms);
/* The same for exactly one job, whose answer's text is printed as it comes (reading.h). */
int cli_waiting_read(struct cli_waiting *w, int64_t timeout_ms);
size_t cli_waiting_count(const struct cli_waiting *w); /* jobs that were added */
void cli_waiting_free(struct cli_waiting *w);          /* without waiting; NULL is fine */

#endif
