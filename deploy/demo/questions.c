/* questions.c - what is asked, and the answer that belongs to each question.
 *
 * GSM8K (grade-school mathematics) where $FLOTILLA_DATA or ../shared/data has
 * gsm8k-test.jsonl, else sums made from a table.  The simulator gets the answers, so
 * that the demo can see whether each answer came back to its own question. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"
#include "deploy/demo/demo.h"

enum { ANSWER_MAX_BYTES = 1000 };

static const struct {
    const char *text; /* with two numbers in it */
    char op;
} sums[] = {
    {"A shelf holds %d books. How many books are on %d such shelves?", '*'},
    {"A train has %d wagons and takes on %d more. How many wagons does it have now?", '+'},
    {"A well is %d m deep and rises by %d m after the rain. How deep is it?", '+'},
    {"A bus makes %d stops an hour. How many stops does it make in %d hours?", '*'},
    {"A field has %d rows of %d trees. How many trees stand there?", '*'},
    {"A jug holds %d cups. How many cups are in %d jugs?", '*'},
    {"A ship sails %d km a day. How far does it sail in %d days?", '*'},
    {"A choir of %d singers is joined by %d others. How many sing?", '+'},
    {"A box weighs %d kg and its lid %d kg. What do they weigh together?", '+'},
    {"A printer prints %d pages a minute. How many pages does it print in %d minutes?", '*'},
    {"A tower has %d steps on each of its %d floors. How many steps are there?", '*'},
    {"A baker bakes %d loaves an hour for %d hours. How many loaves is that?", '*'},
    {"A rope of %d m is tied to one of %d m. How long are both?", '+'},
    {"A week has 7 days; after %d days and %d more, how many days have gone by?", '+'},
    {"A harbour has %d boats, and %d come in. How many boats lie there?", '+'},
    {"A pack has %d cards. How many cards are in %d packs?", '*'},
    {"A bridge has %d arches of %d m each. How long is it in metres?", '*'},
    {"A clock strikes %d times, then %d times. How often did it strike?", '+'},
    {"A garden needs %d l of water a day. How many litres is that in %d days?", '*'},
    {"A team scored %d points and then %d. How many are that together?", '+'},
};

static void make_sums(struct demo *d)
{
    for (size_t i = 0; i < QUESTIONS; i++) {
        size_t t = i % ARRAY_LEN(sums);
        int a = 12 + (int)(i / ARRAY_LEN(sums)), b = 2 + (int)t;
        struct buf text = BUF(512), answer = BUF(512);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        buf_printf(&text, sums[t].text, a, b); /* only formats of the table above */
#pragma GCC diagnostic pop
        buf_printf(&answer, "%d %c %d = %d\n#### %d", a, sums[t].op, b,
                   sums[t].op == '*' ? a * b : a + b, sums[t].op == '*' ? a * b : a + b);
        d->questions[i] = (struct question){buf_take(&text), buf_take(&answer)};
    }
}

static size_t read_questions(struct demo *d, FILE *f)
{
    char *line = NULL;
    size_t cap = 0, n = 0;

    while (n < QUESTIONS && getline(&line, &cap, f) > 0) {
        json_t *row = json_loads(line, 0, NULL);
        const char *q = json_string_value(json_object_get(row, "question"));
        const char *a = json_string_value(json_object_get(row, "answer"));

        if (q && a && strlen(a) < ANSWER_MAX_BYTES)
            d->questions[n++] = (struct question){xstrdup(q), xstrdup(a)};
        json_decref(row);
    }
    free(line);
    return n;
}

void questions_load(struct demo *d)
{
    const char *dir = getenv("FLOTILLA_DATA");
    char path[4096];
    FILE *f;

    snprintf(path, sizeof path, "%s/gsm8k-test.jsonl", dir && *dir ? dir : "../shared/data");
    f = fopen(path, "re");
    d->gsm8k = f && read_questions(d, f) == QUESTIONS;
    if (f)
        fclose(f);
    if (!d->gsm8k)
        make_sums(d);
}

void questions_print(const struct demo *d)
{
    for (size_t i = 0; i < QUESTIONS; i++) {
        json_t *row = json_pack("{s:s, s:s}", "question", d->questions[i].text, "answer",
                                d->questions[i].answer);

        json_dumpf(row, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(row);
    }
}
