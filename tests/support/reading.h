/* reading.h - streamed answers: asking for one, and what who reads its chunks along sees. */
#ifndef FLOTILLA_TESTS_READING_H
#define FLOTILLA_TESTS_READING_H

#include "tests/support/world.h"

/* Models whose streams come in the provider's two forms. */
#define FORM_A "MiniMaxAI/MiniMax-M3"
#define FORM_B "meta-llama/Llama-3.3-70B-Instruct-Turbo"

/* A chat job that streams; its prompt begins with its id.  members: more of the document. */
void reading_push_more(struct world *w, const char *id, const char *model, const char *members);
void reading_push(struct world *w, const char *id, const char *model);

struct reading {
    json_t *text; /* one string per call: its chunks' texts in order */
    const char *end;
    int64_t ends, entries, lost, attempt;
};

/* What there is now: in order, nothing lost. */
struct reading reading_of(struct world *w, const char *id);
const char *reading_text(const struct reading *r, size_t call); /* "(none)" */
/* It ended well after so many calls, and the last one's chunks are the result's text. */
struct reading reading_check_whole(struct world *w, const char *id, size_t calls);

#endif
