/* scripts_scene.c - see scripts_scene.h. */
#include "tests/unit/scripts_scene.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/config/config.h"
#include "common/queue/submit.h"
#include "common/queue/work.h"
#include "tests/unit/redis_server.h"
#include "tests/unit/redis_shot.h"

static struct redis_server server;
static struct loop *loop;
static struct line line;
static struct keys keys;

/* ---- answers as text ---- */

static struct buf texts[3];
static int turn;

static void write_reply(struct buf *b, const struct reply *r)
{
    struct span s = reply_span(r);

    switch (reply_type(r)) {
    case REPLY_NIL: buf_puts(b, "nil"); break;
    case REPLY_INT: buf_printf(b, "%" PRId64, reply_int(r)); break;
    case REPLY_STRING:
    case REPLY_STATUS:
    case REPLY_ERROR: buf_add_span(b, s); break;
    case REPLY_ARRAY:
        buf_putc(b, '[');
        for (size_t i = 0; i < reply_count(r); i++) {
            if (i)
                buf_putc(b, ' ');
            write_reply(b, reply_at(r, i));
        }
        buf_putc(b, ']');
        break;
    }
}

struct cost_report {
    bool done;
    struct buf *text;
};

static void on_reply(void *arg, const struct reply *reply, const struct err *err)
{
    struct cost_report *t = arg;

    if (err)
        buf_puts(t->text, err->msg);
    else
        write_reply(t->text, reply);
    t->done = true;
}

static struct buf *next_text(void)
{
    struct buf *b = &texts[turn++ % 3];

    buf_done(b);
    buf_init(b, 1 << 20);
    return b;
}

void scene_turn_until(const bool *done) { TURN_UNTIL(loop, *done); }

/* ---- words ---- */

/* Returns how many words stood before a "|". */
static size_t add_words(struct redis_args *a, const char *words)
{
    size_t before = 0;

    for (const char *p = words; *p;) {
        size_t n = strcspn(p, " ");
        char name[256];

        snprintf(name, sizeof name, "%s{0}:%.*s", "fl:", (int)n, p + 1);
        name[strlen("fl:{0}:") + n - 1] = '\0';
        if (n == 1 && *p == '|')
            before = a->count;
        else if (n == 7 && !strncmp(p, "@QUEUES", n))
            keys_arg_queues(a, &keys);
        else if (*p == '@')
            redis_arg_str(a, name);
        else
            redis_arg(a, p, n == 2 && !strncmp(p, "''", 2) ? 0 : n);
        p += n + (p[n] == ' ');
    }
    return before;
}

const char *says(const char *words)
{
    struct cost_report t = {.text = next_text()};
    struct redis_args a;

    redis_args_init(&a);
    add_words(&a, words);
    redis_send(line.redis, &a, on_reply, &t);
    scene_turn_until(&t.done);
    return t.text->n ? t.text->p : "";
}

const char *script_says(enum script_id id, const char *words)
{
    struct cost_report t = {.text = next_text()};
    struct redis_args a;
    size_t nkeys;

    redis_args_init(&a);
    nkeys = add_words(&a, words);
    redis_script(line.redis, script(id), nkeys, &a, on_reply, &t);
    scene_turn_until(&t.done);
    return t.text->n ? t.text->p : "";
}

/* ---- the scene ---- */

void scene_open(void)
{
    redis_server_init(&server);
    redis_server_start(&server, NULL);
    loop = loop_new();
    keys_init(&keys, "fl");
    line_open(&line, loop, server.url, (struct redis_options){.scripts = scripts_all()});
    TURN_UNTIL(loop, line.ready);
    CK_SAYS("SET @lease L", "OK");
    CK_SAYS("HSET @workers w-aaaaaaaa {}", "1");
}

void scene_close(void)
{
    line_close(&line);
    keys_done(&keys);
    loop_free(loop);
    redis_server_done(&server);
    for (int i = 0; i < 3; i++)
        buf_done(&texts[i]);
}

struct redis *scene_redis(void) { return line.redis; }
struct loop *scene_loop(void) { return loop; }
const struct keys *scene_keys(void) { return &keys; }

/* ---- jobs ---- */

struct letters {
    bool done;
    char first;
};

static void on_submitted(void *arg, struct submit *s, const char *codes, int64_t due_ms,
                         const struct err *err)
{
    struct letters *l = arg;

    (void)due_ms;
    (void)err;
    l->first = codes ? codes[0] : '!';
    l->done = true;
    submit_free(s);
}

static char submit_with(const char *doc, struct span drop)
{
    const struct job_defaults d = {.max_attempts = 3, .delay_ms = 1000, .max_bytes = 1000000};
    const struct submit_how how = {
        .lease = "L", .drop_value = drop, .ids_ms = 86400000, .reply_ms = 60000};
    struct submit *s = submit_new(&keys);
    struct job_checked c;
    struct letters l = {0};
    struct err err = {0};

    if (job_check((struct span){doc, strlen(doc)}, &d, &c, &err))
        submit_job(s, &c);
    else
        submit_refusal(s, &c, &err);
    submit_send(s, line.redis, &how, on_submitted, &l);
    scene_turn_until(&l.done);
    return l.first;
}

char submit_one(const char *doc) { return submit_with(doc, (struct span){"", 0}); }

char submit_moved(const char *doc) { return submit_with(doc, (struct span){doc, strlen(doc)}); }

bool claim_one(const char *worker, const char *token, const char *id)
{
    char words[512];

    snprintf(words, sizeof words,
             "@workers @active:%s @paused @ready:noop @wake:noop | %s 1 1 noop 1 others 1", worker,
             worker);
    script_says(SCRIPT_CLAIM, words);
    snprintf(words, sizeof words, "@workers @active:%s @delayed @paused @job:%s | %s %s %zu",
             worker, id, worker, token, strlen(keys.job));
    return strstr(script_says(SCRIPT_START, words), "{\"") != NULL;
}

char state_of(const char *id)
{
    char words[256];
    const char *got;

    snprintf(words, sizeof words, "GETRANGE @job:%s 2 2", id);
    got = says(words);
    return *got ? *got : '-';
}

struct record record_of_job(const char *id)
{
    char words[256];
    const char *bytes;
    struct record rec;

    snprintf(words, sizeof words, "GET @job:%s", id);
    bytes = says(words);
    ck_assert_msg(record_read(bytes, strlen(bytes), &rec), "%s: %s", id, bytes);
    return rec;
}

/* ---- outcomes ---- */

static void on_settled(void *arg, struct settle *s, const char *codes, const struct err *err)
{
    struct letters *l = arg;

    (void)err;
    l->first = codes ? codes[0] : '!';
    l->done = true;
    settle_free(s);
}

static char settle_one(const char *worker, struct settle *s)
{
    const struct settle_who who = {.keys = &keys,
                                   .worker = worker,
                                   .ids_ms = 86400000,
                                   .dead_ms = 86400000,
                                   .reply_ms = 60000};
    struct letters l = {0};

    settle_send(s, line.redis, &who, on_settled, &l);
    scene_turn_until(&l.done);
    return l.first;
}

char finish_one(const char *worker, const struct finish *f)
{
    struct settle *s = settle_new(SETTLE_FINISH);

    settle_finish(s, f, NULL);
    return settle_one(worker, s);
}

char defer_one(const char *worker, const struct defer *d)
{
    struct settle *s = settle_new(SETTLE_DEFER);

    settle_defer(s, d, NULL);
    return settle_one(worker, s);
}

struct finish plain_finish(const char *id, const struct record *held)
{
    struct finish f = {.id = id,
                       .held = held,
                       .next = *held,
                       .publish = true,
                       .result = {"{\"the\":\"result\"}", 16}};

    f.next.state = JOB_STATE_COMPLETED;
    return f;
}

struct cost_event plain_cost(const char *event_id, int64_t nanousd)
{
    struct cost_event e = {.job_id = "a",
                           .attempt = 1,
                           .type = JOB_NOOP,
                           .model = {"m", 1},
                           .cost = {.cost_nanousd = nanousd}};

    snprintf(e.event_id, sizeof e.event_id, "%s", event_id);
    return e;
}

struct record running(const char *id)
{
    char doc[128];

    snprintf(doc, sizeof doc, "{\"id\":\"%s\",\"type\":\"noop\",\"payload\":{}}", id);
    ck_assert_int_eq(submit_one(doc), 's');
    ck_assert(claim_one(W, TOKEN, id));
    return record_of_job(id);
}
