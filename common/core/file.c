/* file.c - see file.h. */
#include "common/core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const char *type_of(mode_t mode)
{
    return S_ISDIR(mode)    ? "a directory"
           : S_ISFIFO(mode) ? "a pipe"
           : S_ISSOCK(mode) ? "a socket"
                            : "a device";
}

/* An empty file by tradition. */
static bool is_null(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

int file_open(const char *path, enum err_kind kind, struct err *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd >= 0 && fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || is_null(&st)))
        return fd;
    if (fd < 0)
        err_set(err, kind, "cannot read %s: %s", path, strerror(errno));
    else
        err_set(err, kind, "cannot read %s: expected a regular file; it is %s", path,
                type_of(st.st_mode));
    if (fd >= 0)
        close(fd);
    return -1;
}

bool file_check(const char *path, enum err_kind kind, struct err *err)
{
    int fd = file_open(path, kind, err);

    if (fd < 0)
        return false;
    close(fd);
    return true;
}
