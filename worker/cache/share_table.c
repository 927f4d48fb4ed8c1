/* share_table.c - shares by their names: those whose outcome is not known yet.
 *
 * While one stands here the process has something to renew or to look after, so
 * that the tick of share_lease.c comes and goes with the table. */
#include <string.h>

#include "worker/cache/share_private.h"

struct share *table_find(const struct shares *in, const char *name)
{
    struct share *s;

    HASH_FIND_STR(in->by_name, name, s);
    return s;
}

void table_enter(struct share *s)
{
    s->listed = true;
    HASH_ADD_KEYPTR(hh, s->in->by_name, s->name, strlen(s->name), s);
    lease_tick_later(s->in);
}

static void unlist(struct share *s)
{
    HASH_DEL(s->in->by_name, s);
    s->listed = false;
}

void table_leave(struct share *s)
{
    if (s->listed)
        unlist(s);
    if (!s->in->by_name)
        loop_cancel(&s->in->tick);
}
