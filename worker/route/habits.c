/* habits.c - see habits.h. */
#include "worker/route/habits.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"

enum usage_habit { NOT_SEEN, TELLS_WHEN_ASKED, NOT_TO_ASK };

struct habits {
    struct habit {
        char *provider;
        enum usage_habit usage;
    } of[CONFIG_PROVIDERS_MAX];
    size_t count;
};

struct habits *habits_new(void) { return xcalloc(1, sizeof(struct habits)); }

void habits_free(struct habits *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->count; i++)
        free(h->of[i].provider);
    free(h);
}

/* By name: a reload makes new providers.  NULL: more names than can be configured at a time. */
static struct habit *habit_of(struct habits *h, const struct config_provider *p)
{
    for (size_t i = 0; i < h->count; i++)
        if (strcmp(h->of[i].provider, p->name) == 0)
            return &h->of[i];
    if (h->count == ARRAY_LEN(h->of))
        return NULL;
    h->of[h->count].provider = xstrdup(p->name);
    return &h->of[h->count++];
}

bool habits_ask_usage(struct habits *h, const struct config_provider *p)
{
    const struct habit *habit;

    if (p->stream_usage != STREAM_USAGE_AUTO)
        return p->stream_usage == STREAM_USAGE_ALWAYS;
    habit = habit_of(h, p);
    return habit && habit->usage == TELLS_WHEN_ASKED;
}

void habits_streamed(struct habits *h, const struct config_provider *p, bool asked, bool told)
{
    struct habit *habit = told ? NULL : habit_of(h, p);

    if (habit && habit->usage != NOT_TO_ASK)
        habit->usage = asked ? NOT_TO_ASK : TELLS_WHEN_ASKED;
}

bool habits_refused(struct habits *h, const struct config_provider *p, const char *message)
{
    struct habit *habit = habit_of(h, p);

    if (p->stream_usage != STREAM_USAGE_AUTO || !habit ||
        (!strcasestr(message, "stream_options") && !strcasestr(message, "include_usage")))
        return false;
    habit->usage = NOT_TO_ASK;
    return true;
}
