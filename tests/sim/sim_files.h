/* sim_files.h - uploaded files, in memory.
 *
 * At most SIM_FILES_MAX files and SIM_FILES_BYTES_MAX bytes in all.  Ids are
 * "file-" and a UUID made from a counter, so that runs are alike.
 */
#ifndef FLOTILLA_SIM_FILES_H
#define FLOTILLA_SIM_FILES_H

#include "common/core/base.h"

#define SIM_FILES_MAX       10000
#define SIM_FILES_BYTES_MAX ((size_t)1024 * 1024 * 1024)

struct sim_file {
    char id[48];
    char *name, *purpose, *type;
    char *bytes; /* NULL until the PUT of a redirected upload */
    size_t n;
    int64_t created_at; /* Unix seconds */
};

struct sim_files {
    struct sim_file *items;
    size_t count, cap, bytes;
    uint64_t serial;
};

void sim_files_reset(struct sim_files *f);
/* Add one; the texts and bytes are copied.  bytes {NULL, 0}: to come.  NULL when full. */
struct sim_file *sim_files_add(struct sim_files *f, const char *name, const char *purpose,
                               struct span bytes);
/* Give a file its bytes; false when full. */
bool sim_file_set(struct sim_files *f, struct sim_file *file, struct span bytes);
struct sim_file *sim_files_find(const struct sim_files *f, struct span id); /* NULL: none */
void sim_files_remove(struct sim_files *f, struct sim_file *file);

/* One part of a multipart/form-data body: its bytes; {NULL, 0} when there is none of that name.
 * filename may be NULL; else it gets the part's file name, "" without one. */
struct span sim_multipart_part(struct span content_type, struct span body, const char *name,
                               char *filename, size_t size);

#endif
