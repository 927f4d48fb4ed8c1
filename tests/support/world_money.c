/* world_money.c - the money that is set aside for calls is that of calls under way, and no other.
 *
 * This looks at private keys, at one moment, in one script.
 */
#include "tests/support/world_private.h"

#include <check.h>
#include <string.h>
#include <time.h>

enum { SOON_MS = 10000 };

/* '' or what is wrong.  Each sum reserves what the open holds of it set aside; each open hold and
 * each note is a registered worker's; and while no worker has any job there are none. */
static const char look[] =
    "#!lua flags=no-writes\n"
    "local function all(...) local r = redis.pcall(...) return r.err and {} or r end\n"
    "local tags, found, open, active, wrong = {}, {}, 0, 0, ''\n"
    "for _, id in ipairs(all('HKEYS', 'fl:{0}:workers')) do tags[string.sub(id, -8)] = true end\n"
    "for _, key in ipairs(all('KEYS', 'fl:{0}:active:*')) do\n"
    "    active = active + #all('SMEMBERS', key)\n"
    "end\n"
    "local holds = all('HGETALL', 'fl:{0}:holds')\n"
    "for i = 1, #holds, 2 do\n"
    "    local amount, names = string.match(holds[i + 1], '^o (%d+)(.*)$')\n"
    "    local tag = string.match(holds[i], ':(%x%x%x%x%x%x%x%x)%x*%.%d+$')\n"
    "    if amount then open = open + 1 end\n"
    "    if amount and not tags[tag or ''] then wrong = 'nobody has the hold ' .. holds[i] end\n"
    "    for name in string.gmatch(amount and names or '', '|([^|]+)') do\n"
    "        found[name] = (found[name] or 0) + amount\n"
    "    end\n"
    "end\n"
    "local sums = all('HGETALL', 'fl:{0}:budget')\n"
    "for i = 1, #sums, 2 do\n"
    "    local reserved, has = string.match(sums[i + 1], '^%d+ (%d+)'), found[sums[i]] or 0\n"
    "    if tonumber(reserved) ~= has then\n"
    "        wrong = sums[i] .. ' reserves ' .. tostring(reserved) .. ', its holds ' .. has\n"
    "    end\n"
    "end\n"
    "for _, key in ipairs(all('KEYS', 'fl:{0}:calls:*')) do\n"
    "    open = open + #all('HKEYS', key)\n"
    "    if not tags[string.sub(key, -8)] then wrong = 'nobody has what ' .. key .. ' notes' end\n"
    "end\n"
    "if wrong == '' and active == 0 and open > 0 then\n"
    "    wrong = open .. ' holds and notes of calls, but no job is active'\n"
    "end\n"
    "return wrong\n";

void world_check_reserved(struct world *w)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    int64_t until_ms = now_ms() + patience_ms(SOON_MS);

    for (;;) {
        redisReply *r = world_redis_try(w, "EVAL %s 0", look);

        if (!r || r->type != REDIS_REPLY_STRING || r->len == 0)
            return; /* all is well, or Redis is not there to be asked */
        if (now_ms() > until_ms)
            world_fail(w, "%s", r->str);
        nanosleep(&pause, NULL);
    }
}
