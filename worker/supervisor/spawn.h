/* spawn.h - one child process: fork, exec, its line and its page. */
#ifndef FLOTILLA_SPAWN_H
#define FLOTILLA_SPAWN_H

#include <sys/types.h>

#include "worker/child.h"

struct spawned {
    pid_t pid;
    int line;                /* our end of the socket pair, non-blocking */
    struct child_page *page; /* shared with it; stays readable after its death */
};
/* False (logged) when the kernel refuses. */
NODISCARD bool spawn_child(const struct child_options *o, struct spawned *ret);
void spawn_release(struct spawned *s);
/* "drain" or "now". */
void spawn_tell(const struct spawned *s, const char *word);
/* Resident memory of a process, in bytes; 0 when unknown. */
int64_t spawn_memory_bytes(pid_t pid);

#endif
