/* file.h - files that the configuration names, opened without waiting for anybody.
 *
 * Only regular files will do: to open a pipe waits for its other end, and a
 * device may never end.  So "<(command)" of a shell is refused, too; /dev/null is
 * an empty file. */
#ifndef FLOTILLA_FILE_H
#define FLOTILLA_FILE_H

#include "common/core/err.h"

/* A descriptor to read from; -1 with err of that kind: "cannot read PATH: expected a regular file;
 * it is a pipe". */
NODISCARD int file_open(const char *path, enum err_kind kind, struct err *err);
/* The same question before others open it. */
NODISCARD bool file_check(const char *path, enum err_kind kind, struct err *err);

#endif
