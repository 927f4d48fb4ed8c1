-- inspect.lua - what the scheduler looks at every second.
--
-- Keys of another type than they must be are deleted.
--
-- KEYS: 1 lease  2 alerts  3 workers  4.. keys
-- ARGV: 1 lease token  then per key: its type
-- Returns {'ok', {number of a deleted key, from 1, its type, ...}, INFO memory, or why it is refused,
--   id of the newest alert ('' without any), {worker, its heartbeat, ...}} or {'deposed'}.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'deposed'} end
local deleted = {}
for i = 4, #KEYS do
    local is = redis.call('TYPE', KEYS[i]).ok
    if is ~= ARGV[i - 2] and is ~= 'none' then
        redis.call('DEL', KEYS[i])
        deleted[#deleted + 1] = i - 3
        deleted[#deleted + 1] = is
    end
end
local memory, alerts = redis.pcall('INFO', 'memory'), redis.pcall('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
return {'ok', deleted, memory.err or memory, alerts[1] and alerts[1][1] or '', redis.call('HGETALL', KEYS[3])}
