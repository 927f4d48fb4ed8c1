/* documents_scene.c - see documents_scene.h. */
#include "tests/unit/documents_scene.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/config_parts.h"

char *document_text(const char *path)
{
    struct buf b = BUF(PAGE_MAX);
    struct err err = {0};

    ck_assert_msg(config_read_file(path, PAGE_MAX, &b, &err), "%s (run from the top folder)",
                  err.msg);
    return buf_take(&b);
}

size_t documents(struct document ret[DOCUMENTS_MAX])
{
    glob_t found = {0};
    size_t n = 1;

    ck_assert_int_eq(glob("deploy/docs/*.md", 0, NULL, &found), 0);
    snprintf(ret[0].path, sizeof ret[0].path, "README.md");
    for (size_t i = 0; i < found.gl_pathc; i++) {
        ck_assert_uint_lt(n, DOCUMENTS_MAX - 1);
        snprintf(ret[n++].path, sizeof ret[0].path, "%s", found.gl_pathv[i]);
    }
    globfree(&found);
    snprintf(ret[n++].path, sizeof ret[0].path, "CONTRIBUTING.md");
    for (size_t i = 0; i < n; i++)
        ret[i].text = document_text(ret[i].path);
    return n;
}

const char *piece_at(const struct piece *piece)
{
    static char text[512];

    snprintf(text, sizeof text, "%s:%d: `%.300s`", piece->of->path, piece->line, piece->text);
    return text;
}

static void give(const struct document *d, int line, const char *info, struct span text,
                 piece_func *found)
{
    struct piece piece = {d, line, info, strndup(text.p, text.n)};

    found(&piece);
    free(piece.text);
}

/* Text to `lines`, blocks to `blocks`; either may be NULL. */
static void walk(piece_func *lines, piece_func *blocks)
{
    struct document all[DOCUMENTS_MAX];
    size_t count = documents(all);

    for (size_t i = 0; i < count; i++) {
        char info[64] = "";
        const char *begin = NULL;
        int number = 1, begun = 0;

        for (const char *p = all[i].text; *p; number++) {
            size_t n = strcspn(p, "\n");

            if (!strncmp(p, "```", 3) && begin) {
                if (blocks)
                    give(&all[i], begun, info, (struct span){begin, (size_t)(p - begin)}, blocks);
                begin = NULL;
            } else if (!strncmp(p, "```", 3)) {
                snprintf(info, sizeof info, "%.*s", (int)n - 3, p + 3);
                begin = p + n + 1;
                begun = number + 1;
            } else if (!begin && lines) {
                give(&all[i], number, "", (struct span){p, n}, lines);
            }
            p += n + (p[n] == '\n');
        }
        ck_assert_msg(!begin, "%s:%d: the block has no end", all[i].path, begun);
        free(all[i].text);
    }
}

void each_line(piece_func *found) { walk(found, NULL); }
void each_block(piece_func *found) { walk(NULL, found); }

static piece_func *code_found;

static void codes_of(const struct piece *line)
{
    for (const char *p = strchr(line->text, '`'), *end; p; p = strchr(end + 1, '`')) {
        end = strchr(p + 1, '`');
        ck_assert_msg(end, "%s: a backquote without a second one in its line", piece_at(line));
        give(line->of, line->line, "", (struct span){p + 1, (size_t)(end - p - 1)}, code_found);
    }
}

void each_code(piece_func *found)
{
    code_found = found;
    walk(codes_of, NULL);
}

void each_line_of(const struct document *d, piece_func *found)
{
    int number = 1;

    for (const char *p = d->text; *p; number++) {
        size_t n = strcspn(p, "\n");

        give(d, number, "", (struct span){p, n}, found);
        p += n + (p[n] == '\n');
    }
}
