-- claim.lua - a worker takes as many ids as it has slots for.
--
-- KEYS: 1 workers  2 active ids of this worker  3 paused
--       4..3+n ready, in the order of preference  4+n..3+2n wake, the same order
-- ARGV: 1 worker id  2 n  3 ids wanted at most
--       then n times: queue name, quota (its share of this claim), class (any word), most
--       (never more of all the queues of that class together)
-- Returns {'ok', {ids of the first queue}, {ids of the second}, ..., dry} or {'gone'}.
--       dry: per queue 'd' when nothing is left in it, or it is paused; else '-'
--
-- First every queue gives up to its quota; what is then left of the claim is
-- taken in the order of preference.  While work is left, one more worker is rung,
-- unless one is rung already.  Most claims are of one queue.
local call = redis.call
if call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return {'gone'} end
local n, left = tonumber(ARGV[2]), tonumber(ARGV[3])

local function ring_on(i)
    if call('EXISTS', KEYS[3 + i]) == 0 then return 'd' end
    if call('EXISTS', KEYS[3 + n + i]) == 0 then redis.pcall('LPUSH', KEYS[3 + n + i], '1') end
    return '-'
end

if n == 1 then
    local want = math.min(left, tonumber(ARGV[7]))
    if call('HEXISTS', KEYS[3], ARGV[4]) == 1 then return {'ok', {}, 'd'} end
    local ids = want > 0 and call('RPOP', KEYS[4], want) or {}
    if #ids > 0 then call('SADD', KEYS[2], unpack(ids)) end
    return {'ok', ids, #ids < want and 'd' or ring_on(1)}
end

local paused = call('EXISTS', KEYS[3]) == 1
local out, all, class, most, dry = {'ok'}, {}, {}, {}, {}

local function pop(i, want)
    want = math.min(want, left, most[class[i]])
    if want <= 0 or dry[i] then return end
    local ids = call('RPOP', KEYS[3 + i], want) or {}
    dry[i] = #ids < want
    for _, id in ipairs(ids) do
        out[1 + i][#out[1 + i] + 1] = id
        all[#all + 1] = id
    end
    left = left - #ids
    most[class[i]] = most[class[i]] - #ids
end

for i = 1, n do
    out[1 + i] = {}
    class[i] = ARGV[2 + 4 * i]
    most[class[i]] = most[class[i]] or tonumber(ARGV[3 + 4 * i])
    dry[i] = paused and call('HEXISTS', KEYS[3], ARGV[4 * i]) == 1
    pop(i, tonumber(ARGV[1 + 4 * i]))
end
for i = 1, n do
    if left == 0 then break end
    pop(i, left)
end
if #all > 0 then call('SADD', KEYS[2], unpack(all)) end
for i = 1, n do
    dry[i] = dry[i] and 'd' or ring_on(i)
end
out[2 + n] = table.concat(dry)
return out
