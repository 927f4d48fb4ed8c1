/* documents_scene.h - README.md, CONTRIBUTING.md and deploy/docs, in the pieces that the tests look at. */
#ifndef FLOTILLA_TESTS_DOCUMENTS_SCENE_H
#define FLOTILLA_TESTS_DOCUMENTS_SCENE_H

#include <check.h>

#include "common/core/buf.h"

enum { DOCUMENTS_MAX = 32, PAGE_MAX = 1 << 17 };

struct document {
    char path[128]; /* from the top folder */
    char *text;
};
/* One piece of a document: a line of text, the text between two backquotes, or a block of code. */
struct piece {
    const struct document *of;
    int line;         /* from 1 */
    const char *info; /* of a block: what stands behind its fence, "json result" */
    char *text;
};
typedef void piece_func(const struct piece *piece);

/* README.md first, then the pages, CONTRIBUTING.md last.  The caller frees each text. */
size_t documents(struct document ret[DOCUMENTS_MAX]);
char *document_text(const char *path); /* malloc'd */
void each_line(piece_func *found);     /* outside of blocks */
void each_code(piece_func *found);     /* between backquotes, outside of blocks */
void each_block(piece_func *found);    /* between fences */
void each_line_of(const struct document *d, piece_func *found); /* of any text: all lines */

/* "deploy/docs/jobs.md:12: `text`: ", for messages; valid until the next call. */
const char *piece_at(const struct piece *piece);

#endif
