/* share_leader.c - what became of the call that one makes for all.
 *
 *   share_answer, _failed, _moved, _later ─▶ the leader is out ─▶ a mark for other processes, if
 *   they are to know (in the lease's place, for so long) ─▶ the word for those who wait here
 *
 * A leader who says nothing (share_leave, share_again), or waits for what does not concern another,
 * is followed by that one: share.c. */
#include <utlist.h>

#include "common/core/clock.h"
#include "common/core/xalloc.h"
#include "worker/cache/share_private.h"

/* LATER: then somebody tries anew, however long the first one waits. */
enum { FAILED_MS = 3000, LATER_MS = 10000 };

struct share *leader_out(struct sharer *l)
{
    struct share *s = l->share;

    if (!s || s->leader != l)
        return NULL;
    s->leader = NULL;
    l->share = NULL;
    return s;
}

bool share_leads(const struct sharer *s) { return s->share && s->share->leader == s; }

bool leader_prefer_other(struct share *s, const char *reason)
{
    struct sharer *w;

    DL_FOREACH(s->waiters, w)
    {
        if (s->in->ops->concerns(w, reason))
            continue;
        DL_DELETE(s->waiters, w);
        DL_PREPEND(s->waiters, w);
        return true;
    }
    return false;
}

void share_answer(struct sharer *l, struct entry *e)
{
    struct share *s = leader_out(l);
    struct found *found;

    if (!s)
        return;
    found = found_new(s->n);
    found->whole = entry_use(e);
    share_set_found(s, found);
    found_drop(&found);
    lease_end(s, "",
              0); /* who does not find it, as it is too large to be kept, leads in his turn */
    share_end(s, SHARE_HIT);
}

void share_failed(struct sharer *l)
{
    struct share *s = leader_out(l);

    if (!s)
        return;
    lease_end(s, "failed", FAILED_MS);
    share_end(s, SHARE_ALONE);
}

void share_moved(struct sharer *l, const char *model)
{
    struct share *s = leader_out(l);
    struct buf mark = BUF(1024);

    if (!s)
        return;
    buf_printf(&mark, "at:%s", model);
    lease_end(s, mark.p, FAILED_MS);
    buf_done(&mark);
    s->model = xstrdup(model);
    share_end(s, SHARE_ELSEWHERE);
}

void share_again(struct sharer *l, int64_t most)
{
    if (!share_leads(l))
        return;
    if (l->share->rounds++ < most)
        share_leave(l);
    else
        share_failed(l);
}

void share_later(struct sharer *l, int64_t in_ms, const char *reason)
{
    struct share *s = leader_out(l);
    struct buf mark = BUF(1024);

    if (!s)
        return;
    if (leader_prefer_other(s, reason)) {
        share_promote_later(s);
        return;
    }
    in_ms = max64(in_ms, 1);
    buf_puts(&mark, "later:");
    buf_int(&mark, clock_wall_ms() + in_ms);
    buf_putc(&mark, ':');
    buf_puts(&mark, reason);
    /* gone when the job is back, which waits less long */
    lease_end(s, mark.p, min64(in_ms - in_ms / 8, LATER_MS));
    buf_done(&mark);
    s->in_ms = in_ms;
    share_end(s, SHARE_LATER);
}
