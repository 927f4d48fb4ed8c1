-- house.lua - bounds on everything that grows.
--
-- KEYS: 1 lease  2 results  3 costs  4 alerts  5 dead  6 late  7 alerted  8 stops
-- ARGV: 1 lease token  2 3 4 most entries of results, costs, alerts  5 ms that stream entries are kept
--       6 most dead jobs  7 ms that dead jobs are kept
-- Returns {'ok', {dead jobs that were over the number, at most 1000}, 1 when a stream has more
-- to trim} or {'deposed'}.  (The records of those that are too old end by themselves.)
-- A key of another type is left alone, and keeps none of the others from its bound.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'deposed'} end
local now, more = now_ms(), 0
local function count(...)
    local n = redis.pcall(...)
    return type(n) == 'number' and n or 0
end
for i = 2, 4 do
    local gone = count('XTRIM', KEYS[i], 'MAXLEN', '~', ARGV[i], 'LIMIT', 10000) +
        count('XTRIM', KEYS[i], 'MINID', '~', string.format('%.0f', math.max(0, now - ARGV[5])), 'LIMIT', 10000)
    if gone >= 5000 then more = 1 end
end
count('ZREMRANGEBYSCORE', KEYS[5], '-inf', now - ARGV[7])
local over, gone = count('ZCARD', KEYS[5]) - ARGV[6], {}
if over > 0 then
    gone = redis.call('ZRANGE', KEYS[5], 0, math.min(over, 1000) - 1)
    redis.call('ZREM', KEYS[5], unpack(gone))
end
count('ZREMRANGEBYSCORE', KEYS[6], '-inf', now - 86400000)
local late = math.min(count('ZCARD', KEYS[6]) - ARGV[3], 100000) -- as many as there are events
if late > 0 then redis.call('ZREMRANGEBYRANK', KEYS[6], 0, late - 1) end
if count('HLEN', KEYS[7]) > 10000 then redis.call('DEL', KEYS[7]) end
local stops = redis.pcall('HGETALL', KEYS[8])
for i = 1, #stops, 2 do -- of a key that nobody has probed for a day, as there is another by now
    local probe = string.match(stops[i + 1], '^%d+ (%d+) ')
    if probe and now - probe > 86400000 then redis.call('HDEL', KEYS[8], stops[i]) end
end
return {'ok', gone, more}
