/* sim_file_calls.c - the calls of /files.
 *
 *   POST /files/upload   multipart, the file at once
 *   POST /files          302 to PUT /_sim/files/{id}, as the provider's SDKs upload; multipart: the
 *                        file at once, as OpenAI's do
 *   GET, DELETE /files/{id}, GET /files/{id}/content (with Range)
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/core/json.h"
#include "common/core/parse.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_handlers.h"

static void print_file(struct buf *b, const struct sim_file *file)
{
    int64_t lines = 0;

    for (size_t i = 0; i < file->n; i++)
        lines += file->bytes[i] == '\n';
    if (file->n && file->bytes[file->n - 1] != '\n')
        lines++;
    buf_putc(b, '{');
    json_add_str(b, "id", file->id);
    json_add_str(b, "object", "file");
    json_add_int(b, "created_at", file->created_at);
    json_add_str(b, "filename", file->name);
    json_add_int(b, "bytes", (int64_t)file->n);
    json_add_str(b, "purpose", file->purpose);
    json_add_str(b, "FileType", file->type);
    json_add_bool(b, "Processed", file->bytes != NULL);
    json_add_int(b, "LineCount", lines);
    json_add_str(b, "processing_status", file->bytes ? "COMPLETED" : "PENDING");
    json_add_str(b, "project_id", "proj_sim");
    buf_putc(b, '}');
}

static struct sim_file *find(struct sim_call *c)
{
    struct sim_file *file = sim_files_find(&c->sim->files, c->id);

    if (!file)
        sim_call_error(c, 404, "invalid_request_error", NULL, NULL, "File %.*s not found",
                       c->id.n < 100 ? (int)c->id.n : 100, c->id.p);
    return file;
}

static bool purpose_is_known(const char *purpose)
{
    static const char *const purposes[] = {"fine-tune",   "eval",         "eval-sample",
                                           "eval-output", "eval-summary", "batch-generated",
                                           "batch-api"};

    for (size_t i = 0; i < ARRAY_LEN(purposes); i++)
        if (!strcmp(purposes[i], purpose))
            return true;
    return false;
}

static void refuse(struct sim_call *c, const char *what)
{
    sim_call_error(c, 400, "invalid_request_error", what, NULL, "%s is missing or not allowed",
                   what);
}

/* A part as text; "" when it is not there or too long. */
static const char *part_text(const struct sim_call *c, const char *name, char *text, size_t size)
{
    struct span type = sim_http_span(c->http.content_type, c->bytes);
    struct span v = sim_multipart_part(type, sim_http_span(c->http.body, c->bytes), name, NULL, 0);

    snprintf(text, size, "%.*s", v.n < size ? (int)v.n : 0, v.p ? v.p : "");
    return text;
}

void sim_on_file_upload(struct sim_call *c)
{
    char name[256], purpose[64], filename[256];
    struct span type = sim_http_span(c->http.content_type, c->bytes);
    struct span bytes = sim_multipart_part(type, sim_http_span(c->http.body, c->bytes), "file",
                                           filename, sizeof(filename));
    struct sim_file *file;

    part_text(c, "file_name", name, sizeof(name));
    if (!purpose_is_known(part_text(c, "purpose", purpose, sizeof(purpose)))) {
        refuse(c, "purpose");
    } else if (!bytes.p) {
        refuse(c, "file");
    } else if (!*name && !*filename) {
        refuse(c, "file_name");
    } else {
        file = sim_files_add(&c->sim->files, *name ? name : filename, purpose, bytes);
        if (file)
            print_file(&c->reply.body, file);
        else
            sim_call_error(c, 500, "server_error", NULL, NULL, "storage is full");
    }
}

/* One value of the query, or else of a form body. */
static bool field(const struct sim_call *c, const char *name, char *text, size_t size)
{
    return sim_http_query(sim_http_span(c->http.query, c->bytes), name, text, size) ||
           sim_http_query(sim_http_span(c->http.body, c->bytes), name, text, size);
}

void sim_on_file_redirect(struct sim_call *c)
{
    char name[256], purpose[64];
    struct span type = sim_http_span(c->http.content_type, c->bytes);
    struct sim_file *file = NULL;

    if (type.n >= 10 && !strncasecmp(type.p, "multipart/", 10)) {
        sim_on_file_upload(c);
        return;
    }
    if (!field(c, "purpose", purpose, sizeof(purpose)) || !purpose_is_known(purpose)) {
        refuse(c, "purpose");
        return;
    }
    if (field(c, "file_name", name, sizeof(name)))
        file = sim_files_add(&c->sim->files, name, purpose, (struct span){NULL, 0});
    if (!file) {
        refuse(c, "file_name");
        return;
    }
    c->reply.status = 302;
    buf_puts(&c->reply.head, "Location: http://");
    sim_call_host(c, &c->reply.head);
    buf_printf(&c->reply.head, "/_sim/files/%s\r\nX-Together-File-Id: %s\r\n", file->id, file->id);
}

void sim_on_file_put(struct sim_call *c)
{
    struct sim_file *file = find(c);

    if (file && !sim_file_set(&c->sim->files, file, sim_http_span(c->http.body, c->bytes)))
        sim_call_error(c, 500, "server_error", NULL, NULL, "storage is full");
}

void sim_on_file_list(struct sim_call *c)
{
    struct buf *b = &c->reply.body;

    buf_puts(b, "{\"data\":[");
    for (size_t i = 0; i < c->sim->files.count; i++) {
        buf_puts(b, i ? "," : "");
        print_file(b, &c->sim->files.items[i]);
    }
    buf_puts(b, "]}");
}

void sim_on_file_get(struct sim_call *c)
{
    struct sim_file *file = find(c);

    if (file)
        print_file(&c->reply.body, file);
}

void sim_on_file_delete(struct sim_call *c)
{
    struct sim_file *file = find(c);

    if (!file)
        return;
    buf_printf(&c->reply.body, "{\"id\":\"%s\",\"deleted\":true}", file->id);
    sim_files_remove(&c->sim->files, file);
}

/* "bytes=FROM-TO", both in [0, n); false when there is no such range. */
static bool read_range(struct span range, size_t n, int64_t *from, int64_t *to)
{
    const char *dash = range.n > 6 ? memchr(range.p, '-', range.n) : NULL;

    if (!dash || memcmp(range.p, "bytes=", 6) != 0 || !n)
        return false;
    *to = (int64_t)n - 1;
    if (!parse_int64(range.p + 6, (size_t)(dash - range.p - 6), 0, (int64_t)n - 1, from))
        return false;
    if (dash + 1 < range.p + range.n &&
        !parse_int64(dash + 1, (size_t)(range.p + range.n - dash - 1), *from, INT64_MAX, to))
        return false;
    if (*to >= (int64_t)n)
        *to = (int64_t)n - 1;
    return true;
}

void sim_on_file_content(struct sim_call *c)
{
    struct sim_file *file = find(c);
    struct span range = sim_http_span(c->http.range, c->bytes);
    int64_t from = 0, to = 0;

    if (!file)
        return;
    c->reply.type = "application/octet-stream";
    if (!range.n) {
        buf_add(&c->reply.body, file->bytes ? file->bytes : "", file->n);
    } else if (read_range(range, file->n, &from, &to)) {
        c->reply.status = 206;
        buf_printf(&c->reply.head, "Content-Range: bytes %" PRId64 "-%" PRId64 "/%zu\r\n", from, to,
                   file->n);
        buf_add(&c->reply.body, file->bytes + from, (size_t)(to - from + 1));
    } else {
        c->reply.status = 416;
        buf_printf(&c->reply.head, "Content-Range: bytes */%zu\r\n", file->n);
    }
}
