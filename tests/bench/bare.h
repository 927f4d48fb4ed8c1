/* bare.h - what bare.c and bare_queue.c share. */
#ifndef FLOTILLA_BENCH_BARE_H
#define FLOTILLA_BENCH_BARE_H

#include "tests/bench/bench.h"

enum { BARE_ANSWER_MAX = 16384, BARE_ID_MAX = 32 };

struct bare_caller {
    int fd;
    size_t have, want;    /* bytes of the answer; want 0: its length is not known yet */
    char id[BARE_ID_MAX]; /* of the job that it has, when there is a queue; "" none */
    char in[BARE_ANSWER_MAX + 1];
};

struct bare {
    const char *request;
    size_t request_n;
    int epoll;
    int64_t sent, done, count;
    struct bare_queue *queue; /* NULL: the same request again and again */
};

size_t bare_request(char *text, size_t size);
void bare_send(struct bare *b, struct bare_caller *c, const char *request, size_t n);

/* bare_queue.c: `count` jobs in Redis. */
struct bare_queue *bare_queue_new(struct world *w, int connections, int64_t count);
void bare_queue_free(struct bare_queue *q); /* NULL is fine */
/* This caller is free, and has done its job if it had one. */
void bare_queue_done(struct bare_queue *q, struct bare_caller *c);
/* Tell what was done, and give new jobs to all who are free. */
void bare_queue_turn(struct bare_queue *q, struct bare *b);

#endif
