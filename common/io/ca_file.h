/* ca_file.h - a file of certificate authorities, PEM. */
#ifndef FLOTILLA_CA_FILE_H
#define FLOTILLA_CA_FILE_H

#include "common/core/base.h"
#include "common/core/err.h"

/* Read it to see whether it will do: *count certificates, at least one.  False: err says why not.
 */
NODISCARD bool ca_file_check(const char *path, size_t *count, struct err *err);

#endif
