/* redis_shot.c - see redis_shot.h. */
#include "tests/unit/redis_shot.h"

#include <stdio.h>
#include <string.h>

static void on_ready(void *arg)
{
    struct line *line = arg;

    ck_assert(redis_is_ready(line->redis));
    line->ready++;
}

static void on_lost(void *arg, const struct err *why)
{
    struct line *line = arg;

    ck_assert(!redis_is_ready(line->redis));
    ck_assert_int_ne(why->kind, ERR_NONE);
    line->lost++;
    line->why = *why;
}

void line_open(struct line *line, struct loop *l, const char *url, struct redis_options opt)
{
    struct err err = {0};

    *line = (struct line){.loop = l};
    opt.url = url;
    opt.on_ready = on_ready;
    opt.on_lost = on_lost;
    opt.arg = line;
    if (!opt.backoff_min_ms)
        opt.backoff_min_ms = 5;
    if (!opt.backoff_max_ms)
        opt.backoff_max_ms = 20;
    line->redis = redis_new(l, &opt, &err);
    ck_assert_msg(line->redis, "%s", err.msg);
}

void line_close(struct line *line)
{
    redis_free(line->redis);
    line->redis = NULL;
}

void shot_cb(void *arg, const struct reply *reply, const struct err *err)
{
    struct shot *s = arg;
    struct span text = reply_span(reply);

    ck_assert_msg((reply == NULL) == (err != NULL), "either a reply or an err");
    s->told++;
    s->ok = reply;
    s->type = reply_type(reply);
    s->number = reply_int(reply);
    s->count = reply_count(reply);
    s->n = text.n;
    s->kind = err ? err->kind : ERR_NONE;
    s->at_ms = clock_mono_ms();
    if (err)
        snprintf(s->text, sizeof(s->text), "%s", err->msg);
    else
        snprintf(s->text, sizeof(s->text), "%.*s", text.p ? (int)text.n : 0, text.p ? text.p : "");
}

void args_of(struct redis_args *a, const char *words)
{
    redis_args_init(a);
    while (*words) {
        size_t n = strcspn(words, " ");

        redis_arg(a, words, n);
        words += n + (words[n] == ' ');
    }
}

void shoot_args(struct line *line, struct shot *s, struct redis_args *a)
{
    *s = (struct shot){0};
    redis_send(line->redis, a, shot_cb, s);
    ck_assert_msg(s->told == 0, "the callback was called before the call returned");
}

void shoot(struct line *line, struct shot *s, const char *words)
{
    struct redis_args a;

    args_of(&a, words);
    shoot_args(line, s, &a);
}

struct shot ask(struct line *line, const char *words)
{
    struct shot s;

    shoot(line, &s, words);
    TURN_UNTIL(line->loop, s.told);
    return s;
}
