-- claim.lua - a worker takes as many ids as it has slots for.
--
-- KEYS: 1 workers  2 active ids of this worker  3 paused
--       4..3+n ready, in the order of preference  4+n..3+2n wake, the same order
-- ARGV: 1 worker id  2 n  3 ids wanted at most
--       then n times: queue name, quota (its share of this claim), class (any word), most
--       (never more of all the queues of that class together)
-- Returns {'ok', {ids of the first queue}, {ids of the second}, ...} or {'gone'}.
--
-- First every queue gives up to its quota; what is then left of the claim is
-- taken in the order of preference.  While work is left, one more worker is rung.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return {'gone'} end
local n, left = tonumber(ARGV[2]), tonumber(ARGV[3])
local paused = redis.call('EXISTS', KEYS[3]) == 1
local got, all, class, most, dry = {}, {}, {}, {}, {}

local function pop(i, want)
    want = math.min(want, left, most[class[i]])
    if want <= 0 or dry[i] then return end
    local ids = redis.call('RPOP', KEYS[3 + i], want)
    if not ids or #ids < want then dry[i] = true end
    for _, id in ipairs(ids or {}) do
        got[i][#got[i] + 1] = id
        all[#all + 1] = id
    end
    left = left - #(ids or {})
    most[class[i]] = most[class[i]] - #(ids or {})
end

for i = 1, n do
    got[i] = {}
    class[i] = ARGV[2 + 4 * i]
    most[class[i]] = most[class[i]] or tonumber(ARGV[3 + 4 * i])
    if paused and redis.call('HEXISTS', KEYS[3], ARGV[4 * i]) == 1 then dry[i] = true end
    pop(i, tonumber(ARGV[1 + 4 * i]))
end
for i = 1, n do
    if left == 0 then break end
    pop(i, left)
end
if #all > 0 then redis.call('SADD', KEYS[2], unpack(all)) end
for i = 1, n do
    if not dry[i] and redis.call('EXISTS', KEYS[3 + i]) == 1 then ring(KEYS[3 + n + i]) end
end
return {'ok', unpack(got)}
