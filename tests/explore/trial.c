/* trial.c - a call of a state is run, and the rules are looked at. */
#include <string.h>

#include "common/queue/scripts.h"
#include "tests/explore/state.h"

static void print_reply(struct buf *b, const struct reply *r)
{
    struct span s = reply_span(r);

    switch (reply_type(r)) {
    case REPLY_NIL: buf_puts(b, "nil"); break;
    case REPLY_INT: buf_printf(b, "%lld", (long long)reply_int(r)); break;
    case REPLY_STRING:
    case REPLY_STATUS:
    case REPLY_ERROR:
        if (s.n > RECORD_HEADER)
            buf_printf(b, "<%c %.6s>", s.p[2], s.p + 4);
        else
            buf_add_span(b, s);
        break;
    case REPLY_ARRAY:
        buf_putc(b, '[');
        for (size_t i = 0; i < reply_count(r); i++) {
            buf_puts(b, i ? " " : "");
            print_reply(b, reply_at(r, i));
        }
        buf_putc(b, ']');
        break;
    }
}

static uint32_t run(struct trial *t, const struct call *c, uint32_t command)
{
    uint32_t before = t->s.image;
    struct answer a = store_run(before, command);

    t->s.image = a.image;
    rules_of_answer(t, c, &a, before);
    if (t->print) {
        buf_puts(t->print, ": ");
        call_print(c, t->print);
        buf_puts(t->print, " -> ");
        print_reply(t->print, reply_of(a.reply));
    }
    return a.reply;
}

uint32_t trial_run(struct trial *t, uint32_t call)
{
    return run(t, call_of(call), call_bytes(call));
}

uint32_t trial_run_raw(struct trial *t, uint32_t command)
{
    const struct call c = {.kind = CALL_RAW, .raw = command};

    return run(t, &c, command);
}
