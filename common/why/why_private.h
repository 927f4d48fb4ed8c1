/* why_private.h - a question about a job under way: shared by why.c and why_questions.c. */
#ifndef FLOTILLA_WHY_PRIVATE_H
#define FLOTILLA_WHY_PRIVATE_H

#include "common/core/digest.h"
#include "common/route/health_state.h"
#include "common/why/why.h"

struct asking {
    struct why_options o;
    char id[96];
    struct buf record;
    struct why_facts facts;
    char route[HEALTH_NAME];       /* "<provider> <model>"; "" nobody knows */
    char fingerprint[DIGEST_TEXT]; /* of the provider's key; "" the same */
    why_cb *cb;
    void *arg;
    int open; /* questions without an answer */
    struct err err;
};

/* What to ask Redis once the record and the prices are known, and how to read the answer (never
 * NULL). */
extern const struct why_question {
    const char *name; /* for people, when the answer is refused */
    void (*ask)(const struct asking *a, struct redis_args *r);
    void (*read)(struct asking *a, const struct reply *reply);
} why_questions[];
extern const size_t why_question_count;

#endif
