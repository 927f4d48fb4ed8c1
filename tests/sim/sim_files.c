/* sim_files.c - uploaded files, in memory, and the reading of multipart bodies. */
#include "tests/sim/sim_files.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/core/clock.h"
#include "common/core/xalloc.h"

static void file_done(struct sim_file *file)
{
    free(file->name);
    free(file->purpose);
    free(file->type);
    free(file->bytes);
}

void sim_files_reset(struct sim_files *f)
{
    for (size_t i = 0; i < f->count; i++)
        file_done(&f->items[i]);
    free(f->items);
    *f = (struct sim_files){0};
}

struct sim_file *sim_files_add(struct sim_files *f, const char *name, const char *purpose,
                               struct span bytes)
{
    const char *dot = strrchr(name, '.');
    struct sim_file *file;

    if (f->count == SIM_FILES_MAX)
        return NULL;
    if (f->count == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 16;
        f->items = xrealloc(f->items, f->cap * sizeof(*f->items));
    }
    file = &f->items[f->count];
    *file = (struct sim_file){.created_at = clock_wall_ms() / 1000};
    snprintf(file->id, sizeof(file->id), "file-51b00000-0000-4000-8000-%012" PRIx64, ++f->serial);
    if (bytes.p && !sim_file_set(f, file, bytes))
        return NULL;
    file->name = xstrdup(name);
    file->purpose = xstrdup(purpose);
    file->type = xstrdup(dot ? dot + 1 : "jsonl");
    f->count++;
    return file;
}

bool sim_file_set(struct sim_files *f, struct sim_file *file, struct span bytes)
{
    if (f->bytes - file->n + bytes.n > SIM_FILES_BYTES_MAX)
        return false;
    f->bytes += bytes.n - file->n;
    free(file->bytes);
    file->bytes = xstrndup(bytes.p ? bytes.p : "", bytes.n);
    file->n = bytes.n;
    return true;
}

struct sim_file *sim_files_find(const struct sim_files *f, struct span id)
{
    for (size_t i = 0; i < f->count; i++)
        if (strlen(f->items[i].id) == id.n && !memcmp(f->items[i].id, id.p, id.n))
            return &f->items[i];
    return NULL;
}

void sim_files_remove(struct sim_files *f, struct sim_file *file)
{
    size_t at = (size_t)(file - f->items);

    f->bytes -= file->n;
    file_done(file);
    f->count--;
    memmove(file, file + 1, (f->count - at) * sizeof(*file));
}

/* ---- multipart/form-data ---- */

/* The value of name="..." among the header lines of a part. */
static bool attribute(struct span head, const char *name, char *text, size_t size)
{
    char pattern[64];
    int len = snprintf(pattern, sizeof(pattern), " %s=\"", name);
    const char *at = memmem(head.p, head.n, pattern, (size_t)len), *end;

    if (!at)
        return false;
    at += len;
    end = memchr(at, '"', (size_t)(head.p + head.n - at));
    if (!end || (size_t)(end - at) >= size)
        return false;
    snprintf(text, size, "%.*s", (int)(end - at), at);
    return true;
}

static bool read_boundary(struct span content_type, char *text, size_t size)
{
    const char *at = memmem(content_type.p, content_type.n, "boundary=", 9);
    struct span v;

    if (!content_type.p || !at)
        return false;
    v = (struct span){at + 9, (size_t)(content_type.p + content_type.n - at - 9)};
    if (v.n && *v.p == '"')
        v.p++, v.n--;
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] == '"' || v.p[i] == ';')
            v.n = i;
    return v.n && v.n + 5 < size && snprintf(text, size, "\r\n--%.*s", (int)v.n, v.p) > 0;
}

struct span sim_multipart_part(struct span content_type, struct span body, const char *name,
                               char *filename, size_t size)
{
    const struct span none = {NULL, 0};
    char boundary[256], own[256];
    const char *at, *end = body.p + body.n, *head_end, *next;
    size_t n;

    if (!read_boundary(content_type, boundary, sizeof(boundary)))
        return none;
    n = strlen(boundary);
    if (body.n < n || memcmp(body.p, boundary + 2, n - 2) != 0)
        return none;
    for (at = body.p + n - 2; at + 2 < end && at[0] == '\r'; at = next + n) {
        struct span head;
        head_end = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
        next = head_end ? memmem(head_end + 2, (size_t)(end - head_end - 2), boundary, n) : NULL;
        if (!next)
            return none;
        head = (struct span){at, (size_t)(head_end - at)};
        if (!attribute(head, "name", own, sizeof(own)) || strcmp(own, name) != 0)
            continue;
        if (filename && !attribute(head, "filename", filename, size))
            *filename = '\0';
        return (struct span){head_end + 4, next > head_end + 4 ? (size_t)(next - head_end - 4) : 0};
    }
    return none;
}
