-- tell.lua - cost events of calls of jobs that go on.
--
-- KEYS: 1 costs  2 spend of the day  3 late cost events  4 calls of the worker  5.. records
-- ARGV: 1.. dimension sets (prelude)
--       then per job: id, expected tnum and token (22), cost events (prelude)
-- Returns {'ok', one letter per job}, or {'day', now}: the spend key is of another day
--       k told  s told as duplicates: the job is not that worker's any more
-- Each event is told once, however often it is sent: the late ones are remembered by id.
local now, costs, late = now_ms(), KEYS[1], KEYS[3]
if other_day(1, now) then return {'day', now} end
local k, a, out = 5, read_sets(1), {}

local function tell(at, id)
    local n = tonumber(ARGV[at])
    at = at + 1
    for _ = 1, n do
        if redis.call('ZADD', late, 'NX', now, ARGV[at]) == 1 then add_cost(at, costs, id, ARGV[at + 1]) end
        drop_note(at)
        at = at + 8
    end
    return at
end

while ARGV[a] do
    local id = ARGV[a]
    if string.sub(held_of(KEYS[k]), 2) == ARGV[a + 1] then
        out[#out + 1] = 'k'
        a = tell(a + 2, id)
    else
        out[#out + 1] = 's'
        a = add_late_costs(a + 2, costs, late, id, now)
    end
    k = k + 1
end
write_sums(KEYS[2], KEYS[4])
return {'ok', table.concat(out)}
