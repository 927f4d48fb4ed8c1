/* events_net.c - networks that break, and answers that are errors. */
#include <string.h>

#include "tests/chaos/events.h"

static struct cutter *nets(struct round *r, int64_t which)
{
    struct cutter *all[] = {r->net, r->provider.net, r->receiver.net};

    return all[which];
}
enum { NET_REDIS, NET_PROVIDER, NET_RECEIVER };

/* ---- networks --------------------------------------------------------------- */
static void whole_again(struct round *r, int64_t which)
{
    cutter_pass(nets(r, which));
    cutter_cut_after(nets(r, which), 0);
}

static void for_a_while(struct round *r, struct dice *d, int64_t which)
{
    chaos_undo_in(r, dice_between(d, 50, 3000), whole_again, which);
}

void event_cut_redis(struct round *r, struct dice *d)
{
    (void)d;
    cutter_cut(r->net);
}

void event_refuse_redis(struct round *r, struct dice *d)
{
    cutter_refuse(r->net);
    for_a_while(r, d, NET_REDIS);
}

void event_stall_redis(struct round *r, struct dice *d)
{
    cutter_stall(r->net);
    for_a_while(r, d, NET_REDIS);
}

/* A script is sent by its digest once it is known, so that some thousand bytes are many calls. */
void event_fray_redis(struct round *r, struct dice *d)
{
    cutter_cut_after(r->net, dice_between(d, 1, 5) * 20000);
    for_a_while(r, d, NET_REDIS);
}

void event_cut_provider(struct round *r, struct dice *d)
{
    (void)d;
    cutter_cut(r->provider.net);
}

void event_refuse_provider(struct round *r, struct dice *d)
{
    cutter_refuse(r->provider.net);
    for_a_while(r, d, NET_PROVIDER);
}

void event_fray_provider(struct round *r, struct dice *d)
{
    cutter_cut_after(r->provider.net, dice_between(d, 500, 8000));
    for_a_while(r, d, NET_PROVIDER);
}

void event_cut_receiver(struct round *r, struct dice *d)
{
    (void)d;
    cutter_cut(r->receiver.net);
}

/* ---- answers ---------------------------------------------------------------- */
static const char *const troubles[] = {
    "\"fixture\":\"throttled\"",
    "\"fixture\":\"overloaded\"",
    "\"status\":500,\"body\":{\"error\":{\"message\":\"oops\"}}",
    "\"status\":502,\"body\":\"<html>bad gateway</html>\"",
    "\"status\":429,\"headers\":{\"retry-after\":\"1\"},\"body\":{\"error\":\"slower\"}",
    "\"close\":\"before\"",
    "\"close\":\"middle\"",
    "\"close\":\"after\"",
    "\"delay_ms\":900",
    "\"status\":200,\"body\":\"no answer at all\"",
    "\"delay_ms\":300,\"close\":\"middle\"",
    "\"piece_bytes\":40,\"piece_ms\":20",
};

static void add_fault(struct round *r, struct server *s, const char *path, const char *fault)
{
    cast_ask(r, s, "POST", path, fault);
}

/* Two to six kinds of trouble in turn, each for some requests. */
static void trouble(struct round *r, struct dice *d, const char *model)
{
    for (int64_t n = dice_between(d, 2, 6); n > 0; n--) {
        const char *what = troubles[dice_below(d, ARRAY_LEN(troubles))];
        int times = (int)dice_between(d, 1, 20);
        const char *whose = model ? world_text(r->w, "\"model\":\"%s\",", model) : "";

        add_fault(r, &r->provider, "/_sim/faults",
                  world_text(r->w, "{%s%s,\"times\":%d}", whose, what, times));
    }
}

static const char *any_model(struct dice *d)
{
    return chat_models[dice_below(d, (int64_t)chat_model_count)];
}

void event_fail_model(struct round *r, struct dice *d) { trouble(r, d, any_model(d)); }

void event_fail_all(struct round *r, struct dice *d) { trouble(r, d, NULL); }

void event_fail_cheap(struct round *r, struct dice *d)
{
    int times = (int)dice_between(d, 5, 60);

    for (size_t i = 0; i < chat_model_count; i++)
        if (strcmp(chat_models[i], "moonshotai/Kimi-K3") != 0)
            add_fault(r, &r->provider, "/_sim/faults",
                      world_text(r->w, "{\"model\":\"%s\",\"fixture\":\"overloaded\",\"times\":%d}",
                                 chat_models[i], times));
}

void event_stop_key(struct round *r, struct dice *d)
{
    add_fault(
        r, &r->provider, "/_sim/faults",
        world_text(r->w, "{\"fixture\":\"spend_cap\",\"times\":%d}", (int)dice_between(d, 1, 6)));
}

void event_bad_answers(struct round *r, struct dice *d)
{
    add_fault(r, &r->provider, "/_sim/faults",
              world_text(r->w, "{\"match\":\"structured-\",\"answer\":\"{no\",\"times\":%d}",
                         (int)dice_between(d, 3, 40)));
}

static void set_model(struct round *r, const char *model, const char *settings)
{
    cast_ask(r, &r->provider, "POST", "/_sim/models",
             world_text(r->w, "{\"%s\":{%s}}", model, settings));
}

void event_slow_model(struct round *r, struct dice *d)
{
    set_model(r, any_model(d),
              world_text(r->w, "\"latency_ms\":%d,\"chunk_ms\":%d", (int)dice_between(d, 0, 1500),
                         (int)dice_between(d, 0, 60)));
}

void event_throttle(struct round *r, struct dice *d)
{
    set_model(r, any_model(d),
              world_text(r->w, "\"rate\":{\"start_per_s\":%d}", (int)dice_between(d, 2, 20)));
}

void event_fail_receiver(struct round *r, struct dice *d)
{
    static const char *const ways[] = {"\"status\":500", "\"status\":503", "\"close\":\"before\"",
                                       "\"close\":\"after\"", "\"delay_ms\":2500"};

    add_fault(r, &r->receiver, "/_sim/hooks",
              world_text(r->w, "{%s,\"times\":%d}", ways[dice_below(d, ARRAY_LEN(ways))],
                         (int)dice_between(d, 1, 12)));
}
