/* reading.c - see reading.h. */
#include "tests/support/reading.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

void reading_push_more(struct world *w, const char *id, const char *model, const char *members)
{
    world_push(w,
               "{'id':'%s','type':'inference'%s,'payload':{'task':'chat','body':{'model':'%s',"
               "'stream':true,'messages':[{'role':'user','content':'%s: how many legs have seven "
               "spiders? \xe4\xb8\x83\xe5\x8f\xaa\xf0\x9f\x95\xb7'}]}}}",
               id, members, model, id);
}

void reading_push(struct world *w, const char *id, const char *model)
{
    reading_push_more(w, id, model, "");
}

static const char *field(const redisReply *entry, const char *name)
{
    const redisReply *v = world_field(entry, name);

    return v ? v->str : NULL;
}

/* The chunks of an entry behind what there is of its call; their number. */
static int64_t read_data(struct world *w, const char *data, json_t *calls)
{
    size_t last = json_array_size(calls) - 1;
    int64_t n = 0;

    while (data && *data) {
        size_t len = strcspn(data, "\n");
        json_t *chunk = world_json(w, world_text(w, "%.*s", (int)len, data));
        const char *before = json_string_value(json_array_get(calls, last));

        json_array_set_new(
            calls, last,
            json_string(
                world_text(w, "%s%s", before, world_string_at(chunk, "choices.0.delta.content"))));
        data += len + (data[len] == '\n');
        n++;
    }
    return n;
}

struct reading reading_of(struct world *w, const char *id)
{
    redisReply *all = world_redis(w, "XRANGE fl:{0}:chunks:%s - +", id);
    struct reading r = {.text = json_array(), .end = "", .entries = (int64_t)all->elements};
    const char *call = "";
    int64_t seq = 0;

    world_own(w, r.text, (void (*)(void *))json_decref);
    for (size_t i = 0; i < all->elements; i++) {
        const char *data = field(all->element[i], "data"), *end = field(all->element[i], "end");
        const char *this = field(all->element[i], "call");

        ck_assert_ptr_nonnull(field(all->element[i], "run"));
        ck_assert_ptr_null(field(all->element[i], "lost"));
        if (this && strcmp(this, call) != 0) {
            call = world_text(w, "%s", this);
            json_array_append_new(r.text, json_string(""));
            seq = 0;
        }
        if (data) {
            ck_assert_int_eq(strtoll(field(all->element[i], "seq"), NULL, 10), seq);
            r.attempt = strtoll(field(all->element[i], "attempt"), NULL, 10);
            seq += read_data(w, data, r.text);
        }
        if (end) {
            r.ends++;
            r.end = world_text(w, "%s", end);
        }
    }
    return r;
}

const char *reading_text(const struct reading *r, size_t call)
{
    const char *text = json_string_value(json_array_get(r->text, call));

    return text ? text : "(none)";
}

struct reading reading_check_whole(struct world *w, const char *id, size_t calls)
{
    json_t *doc = world_result(w, id)->doc;
    struct reading r;

    ck_assert_str_eq(world_string_at(doc, "status"), "completed");
    WAIT_UNTIL(w, 5000, !strcmp(reading_of(w, id).end, "completed"));
    r = reading_of(w, id);
    ck_assert_uint_eq(json_array_size(r.text), calls);
    ck_assert_str_eq(reading_text(&r, calls - 1),
                     world_string_at(doc, "output.choices.0.message.content"));
    ck_assert_str_ne(reading_text(&r, calls - 1), "");
    ck_assert_int_gt(world_int(w, "PTTL fl:{0}:chunks:%s", id), 1000);
    return r;
}
