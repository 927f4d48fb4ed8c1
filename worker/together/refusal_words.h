/* refusal_words.h - the words of a refusal, in the many shapes that providers give them.
 *
 * An object, an object in `error`, a string, FastAPI's list, a page of HTML, nothing; and for what
 * a gateway passes on, the words of the provider behind it (`metadata.raw`, JSON in a string).
 * Private to refusal.c. */
#ifndef FLOTILLA_TOGETHER_REFUSAL_WORDS_H
#define FLOTILLA_TOGETHER_REFUSAL_WORDS_H

#include "worker/together/reply.h"

/* What an error object or a body may say: raw values. */
struct refusal_words {
    struct span error, message, detail, details, param, metadata;
    struct span code, error_type, type, status;
};
/* False: v is no object, and *w is empty. */
bool refusal_words_pick(struct span v, struct refusal_words *w);
/* One line of text, cut with "..." when it is too long: the message, then the reason behind it and
 * the parameter, if they say more. */
void refusal_words_say(const struct refusal_words *w, char *line, size_t size);
/* The same of a body that is no JSON: the title of a page, or the text. */
void refusal_text_say(struct span body, char *line, size_t size);

#endif
