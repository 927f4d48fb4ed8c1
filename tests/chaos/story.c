/* story.c - what is known of a job: for the reader of a violation. */
#include "tests/chaos/chaos.h"

#include <glob.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_MAX = 20, STORIES_MAX = 4, LINES_MAX = 40, RECORD_HEADER = 129 };

/* The lines of a file that name the job: not those of another whose id begins alike. */
static void print_lines(const char *path, const char *id)
{
    FILE *in = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    int printed = 0;

    while (in && getline(&line, &size, in) >= 0 && printed < LINES_MAX) {
        const char *at = strstr(line, id);
        char next = at ? at[strlen(id)] : '0';

        if (at && !(next >= '0' && next <= '9')) {
            fprintf(stderr, "    %s: %.400s%s", strrchr(path, '/') + 1, line,
                    strlen(line) > 400 ? "\n" : "");
            printed++;
        }
    }
    free(line);
    if (in)
        fclose(in);
}

static void print_stream(struct round *r, const char *name, const char *id)
{
    redisReply *all = world_redis(r->w, "XRANGE fl:{0}:%s - +", name);

    for (size_t i = 0; i < all->elements; i++) {
        const redisReply *one = world_field(all->element[i], "id");

        if (one && strcmp(one->str, id) == 0)
            fprintf(stderr, "    %s %s: %.600s\n", name, all->element[i]->element[0]->str,
                    world_field(all->element[i], "doc")->str);
    }
}

void story_print(struct round *r, const char *id)
{
    struct chaos_job *job = jobs_find(r, id);
    redisReply *record = world_redis(r->w, "GET fl:{0}:job:%s", id);
    glob_t logs;

    fprintf(stderr, "  the story of %s:\n", id);
    if (job)
        fprintf(stderr, "    document: %s\n", job->doc);
    fprintf(stderr, "    record: %.*s\n", RECORD_HEADER,
            record->type == REDIS_REPLY_STRING ? record->str : "none");
    print_stream(r, "results", id);
    print_stream(r, "costs", id);
    if (glob(world_text(r->w, "%s/*.err", r->w->dir), 0, NULL, &logs))
        return;
    for (size_t i = 0; i < logs.gl_pathc; i++)
        print_lines(logs.gl_pathv[i], id);
    globfree(&logs);
    print_lines(world_text(r->w, "%s/chaos.log", r->w->dir), id);
}

void violation(struct round *r, const char *id, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    r->violations++;
    chaos_note(r, "VIOLATION: %s%s%s", id ? id : "", id ? ": " : "", text);
    if (r->violations > SHOWN_MAX)
        return;
    fprintf(stderr, "seed %llu round %d: violation: %s%s%s\n", (unsigned long long)r->seed,
            r->number, id ? id : "", id ? ": " : "", text);
    if (id && r->violations <= STORIES_MAX)
        story_print(r, id);
}
