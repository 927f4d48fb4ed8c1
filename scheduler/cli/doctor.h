/* doctor.h - the checks of `flotilla doctor`.
 *
 * A check says in one line what it found.  SKIPPED: it could not be made, and the line says why;
 * `said` is "Redis is away" before. */
#ifndef FLOTILLA_CLI_DOCTOR_H
#define FLOTILLA_CLI_DOCTOR_H

#include "scheduler/cli/cli.h"

enum verdict { GOOD, WARN, BAD, SKIPPED };
typedef enum verdict doctor_look(struct cli *c, char *said, size_t size);

/* The reply to a command of NUL-terminated words, then NULL; NULL when there is none, and then
 * `said` says "not known: INFO refused (...)". */
const struct reply *doctor_ask(struct cli *c, char *said, size_t size, ...)
    __attribute__((sentinel));

/* doctor_redis.c: of the server itself. */
doctor_look doctor_version, doctor_eviction, doctor_memory_limit, doctor_memory, doctor_writes,
    doctor_persistence;

#endif
