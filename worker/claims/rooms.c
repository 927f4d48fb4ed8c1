/* rooms.c - see rooms.h.
 *
 *   rooms_enter, rooms_look --> open batch --end of turn, or full--> room.lua --> callbacks
 *   rooms_recall -------------> recalls ----end of turn, or full--> retime.lua
 *
 * While Redis is away nothing is sent and nothing kept: entries are hints. */
#include "worker/claims/rooms.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/core/json.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "common/queue/scripts.h"
#include "worker/batcher.h"

enum { OPS_MAX = 64, ENTRIES_MAX = 500 };

/* What is asked of one room. */
struct room_op {
    char name[ROOM_NAME];
    struct redis_args entries;
    size_t entered;
    struct room_sum sum;   /* of those that enter; "": none */
    struct room_look look; /* most 0: none */
    room_cb *cb;
    void *arg;
};
struct room_batch {
    struct rooms *s;
    struct room_op ops[OPS_MAX];
    size_t count, entered;
    struct room_batch *prev, *next;
};
/* Jobs that are called back. */
struct recalls {
    struct rooms *s;
    struct redis_args keys, args;
    size_t count;
    char rooms[ENTRIES_MAX][ROOM_NAME]; /* where they stood */
    struct recalls *prev, *next;
};
struct rooms {
    const struct env *env;
    void (*on_send)(void *arg); /* or NULL */
    void *on_send_arg;
    struct room_batch *open, *sent;
    struct recalls *recalls; /* not sent yet; or NULL */
    struct recalls *called;  /* sent */
    room_name_cb *on_gone;
    void *gone_arg;
    struct batcher batcher;
};

/* ---- batches ---- */

static void free_batch(struct room_batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        redis_args_done(&b->ops[i].entries);
    free(b);
}

static size_t read_entries(const struct reply *answer, struct room_entry *list)
{
    size_t n = 0;

    for (size_t i = 1; i + 1 < reply_count(answer); i += 2) {
        struct span text = reply_span(reply_at(answer, i)),
                    place = reply_span(reply_at(answer, i + 1));
        struct room_entry *e = &list[n];

        if (text.n >= sizeof e->text || !json_read_double(place, &e->place))
            continue;
        snprintf(e->text, sizeof e->text, "%.*s", (int)text.n, text.p);
        n++;
    }
    return n;
}

static void rooms_answer(const struct room_op *op, const struct reply *answer)
{
    struct room_entry *list;
    size_t n;

    if (!op->cb)
        return;
    list = xcalloc(reply_count(answer) / 2 + 1, sizeof *list);
    n = read_entries(answer, list);
    op->cb(op->arg, &(struct room_seen){.name = op->name,
                                        .left = answer ? reply_int(reply_at(answer, 0)) : -1,
                                        .entries = list,
                                        .count = n});
    free(list);
}

static void rooms_on_answer(void *arg, const struct reply *reply, const struct err *err)
{
    struct room_batch *b = arg;

    DL_DELETE(b->s->sent, b);
    if (!reply && err->kind == ERR_REDIS)
        log_err(LOG_DEBUG, "room", err);
    for (size_t i = 0; i < b->count; i++)
        rooms_answer(&b->ops[i], reply ? reply_at(reply, i) : NULL);
    free_batch(b);
}

static void add_number(struct redis_args *a, double v)
{
    char text[40];

    snprintf(text, sizeof text, v >= HUGE_VAL ? "inf" : "%.3f", v);
    redis_arg_str(a, text);
}

static void send_batch(struct room_batch *b)
{
    const struct env *e = b->s->env;
    struct redis_args a;

    redis_args_make(&a, key(&e->keys, KEY_ROOMS), key(&e->keys, KEY_BUDGET));
    for (size_t i = 0; i < b->count; i++)
        keys_arg(&a, e->keys.room, b->ops[i].name);
    redis_args_add(&a, ROOM_MAX, ROOM_KEEP_MS, ROOMS_MAX);
    for (size_t i = 0; i < b->count; i++) {
        const struct room_op *op = &b->ops[i];

        redis_arg_str(&a, op->name);
        add_number(&a, op->look.last);
        redis_args_add(&a, op->look.most, op->sum.name, op->sum.taken_nanousd,
                       (int64_t)op->entered);
        redis_args_append(&a, &op->entries);
    }
    DL_APPEND(b->s->sent, b);
    redis_script(e->redis, script(SCRIPT_ROOM), b->count + 2, &a, rooms_on_answer, b);
}

static void close_batch(struct rooms *s)
{
    struct room_batch *b = TAKE(s->open);

    if (!b)
        return;
    if (redis_is_ready(s->env->redis)) {
        send_batch(b);
        return;
    }
    for (size_t i = 0; i < b->count; i++)
        rooms_answer(&b->ops[i], NULL);
    free_batch(b);
}

static void free_recalls(struct recalls *c)
{
    redis_args_done(&c->keys);
    redis_args_done(&c->args);
    free(c);
}

static void on_recalled(void *arg, const struct reply *reply, const struct err *err)
{
    struct recalls *c = arg;
    struct rooms *s = c->s;
    struct span letters = reply_span(reply);

    (void)err;
    DL_DELETE(s->called, c);
    for (size_t i = 0; s->on_gone && i < c->count && i < letters.n; i++)
        if (letters.p[i] == '0')
            s->on_gone(s->gone_arg, c->rooms[i]);
    free_recalls(c);
}

static void send_recalls(struct rooms *s)
{
    struct recalls *c = TAKE(s->recalls);
    struct redis_args a;

    if (!c)
        return;
    if (!redis_is_ready(s->env->redis)) {
        free_recalls(c);
        return;
    }
    redis_args_make(&a, key(&s->env->keys, KEY_DELAYED), key(&s->env->keys, KEY_BELL));
    redis_args_append(&a, &c->keys);
    redis_args_append(&a, &c->args);
    DL_APPEND(s->called, c);
    redis_script(s->env->redis, script(SCRIPT_RETIME), c->count + 2, &a, on_recalled, c);
}

static void rooms_send(void *arg)
{
    struct rooms *s = arg;

    if (s->on_send)
        s->on_send(s->on_send_arg);
    close_batch(s);
    send_recalls(s);
}

static struct room_op *op_of(struct rooms *s, const char *name)
{
    struct room_op *op;

    if (s->open && (s->open->count == OPS_MAX || s->open->entered == ENTRIES_MAX))
        close_batch(s);
    if (!s->open) {
        s->open = xcalloc(1, sizeof *s->open);
        s->open->s = s;
    }
    batcher_soon(&s->batcher);
    for (size_t i = 0; i < s->open->count; i++)
        if (!strcmp(s->open->ops[i].name, name))
            return &s->open->ops[i];
    op = &s->open->ops[s->open->count++];
    snprintf(op->name, sizeof op->name, "%s", name);
    redis_args_init(&op->entries);
    return op;
}

/* ---- what callers do ---- */

void rooms_enter(struct rooms *s, const char *name, double place, const char *entry,
                 const struct room_sum *sum)
{
    struct room_op *op = op_of(s, name);

    add_number(&op->entries, place);
    redis_arg_str(&op->entries, entry);
    if (sum && sum->taken_nanousd > op->sum.taken_nanousd)
        op->sum = *sum;
    op->entered++;
    s->open->entered++;
}

void rooms_look(struct rooms *s, const char *name, const struct room_look *look, room_cb *cb,
                void *arg)
{
    struct room_op *op = op_of(s, name);

    op->look.last = look->last;
    op->look.most += look->most;
    if (op->look.most > ENTRIES_MAX)
        op->look.most = ENTRIES_MAX;
    op->cb = cb;
    op->arg = arg;
}

static void forget_in(struct room_batch *b, const void *arg)
{
    for (size_t i = 0; b && i < b->count; i++)
        if (b->ops[i].arg == arg)
            b->ops[i].cb = NULL;
}

void rooms_forget(struct rooms *s, const void *arg)
{
    struct room_batch *b;

    forget_in(s->open, arg);
    DL_FOREACH(s->sent, b) { forget_in(b, arg); }
}

/* ---- the list ---- */

struct listing {
    room_name_cb *cb;
    void *arg;
};

static void on_list(void *arg, const struct reply *reply, const struct err *err)
{
    struct listing *l = arg;

    (void)err;
    for (size_t i = 0; i < reply_count(reply); i++) {
        struct span name = reply_span(reply_at(reply, i));
        char text[ROOM_NAME];

        if (name.n >= sizeof text)
            continue;
        snprintf(text, sizeof text, "%.*s", (int)name.n, name.p);
        l->cb(l->arg, text);
    }
    free(l);
}

void rooms_list(struct rooms *s, room_name_cb *cb, void *arg)
{
    struct listing *l = xcalloc(1, sizeof *l);

    *l = (struct listing){.cb = cb, .arg = arg};
    redis_sendv(s->env->redis, on_list, l, "ZRANGE", key(&s->env->keys, KEY_ROOMS), "0", "-1",
                NULL);
}

/* ---- recalling ---- */

/* "<queue>/<id>" of an entry; false: it is none. */
static bool read_job(const char *entry, char member[ROOM_ENTRY])
{
    const char *id = strchr(entry, '/');
    size_t n = id && id[1] ? (size_t)(id + 1 - entry) + strcspn(id + 1, "/") : 0;

    snprintf(member, ROOM_ENTRY, "%.*s", (int)n, entry);
    return n > 0 && n < ROOM_ENTRY;
}

static struct recalls *open_recalls(struct rooms *s)
{
    if (s->recalls && s->recalls->count == ENTRIES_MAX)
        send_recalls(s);
    if (s->recalls)
        return s->recalls;
    s->recalls = xcalloc(1, sizeof *s->recalls);
    s->recalls->s = s;
    redis_args_init(&s->recalls->keys);
    redis_args_init(&s->recalls->args);
    return s->recalls;
}

void rooms_recall(struct rooms *s, const char *name, const char *entry)
{
    char member[ROOM_ENTRY];
    struct recalls *c;

    if (!read_job(entry, member))
        return;
    c = open_recalls(s);
    keys_arg(&c->keys, s->env->keys.job, strchr(member, '/') + 1);
    redis_args_add(&c->args, member, 0);
    snprintf(c->rooms[c->count++], ROOM_NAME, "%s", name);
    batcher_soon(&s->batcher);
}

void rooms_on_gone(struct rooms *s, room_name_cb *cb, void *arg)
{
    s->on_gone = cb;
    s->gone_arg = arg;
}

/* ---- life ---- */

void rooms_on_send(struct rooms *s, void (*cb)(void *arg), void *arg)
{
    s->on_send = cb;
    s->on_send_arg = arg;
}

struct rooms *rooms_new(const struct env *e)
{
    struct rooms *s = xcalloc(1, sizeof *s);

    s->env = e;
    s->batcher = (struct batcher){.loop = e->loop, .flush = rooms_send, .arg = s};
    return s;
}

void rooms_free(struct rooms *s)
{
    struct room_batch *b, *tmp;
    struct recalls *c, *next;

    if (!s)
        return;
    batcher_cancel(&s->batcher);
    DL_FOREACH_SAFE(s->sent, b, tmp)
    {
        if (s->env->redis)
            redis_forget(s->env->redis, b);
        free_batch(b);
    }
    if (s->open)
        free_batch(s->open);
    DL_FOREACH_SAFE(s->called, c, next)
    {
        if (s->env->redis)
            redis_forget(s->env->redis, c);
        free_recalls(c);
    }
    if (s->recalls)
        free_recalls(s->recalls);
    free(s);
}
