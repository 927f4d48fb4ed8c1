-- finish.lua - jobs end: record, result, costs, reply and webhook job, in one.
--
-- KEYS: 1 guard  2 active ids of the worker  3 results  4 costs  5 dead  6 cancels  7 spend of the day
--       8 late cost events  9 ready:webhook  10 wake:webhook
--       then per job: record, reply list when flags has 'r', webhook's record when flags has 'w'
-- ARGV: 1 what the guard must hold ('' not asked)  2 ms that ended records are kept
--       3 ms that dead ones are  4 ms that replies are  5.. dimension sets (prelude)
--       then per job: id, expected tnum and token (22), flags, new header (and document), result,
--       webhook id, webhook record, cost events (prelude)
--       flags: 'p' publish to results  'd' dead, kept for replay  'r' reply  'w' webhook
-- Returns {'ok', one letter per job} or {'deposed'}.
--       k written  a again: the same was written before  s stale: only costs were added
if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'deposed'} end
local ttl, dead_ttl, reply_ttl = ARGV[2], ARGV[3], ARGV[4]
local now = now_ms()
local k, a, out, ids, hooks = 11, read_sets(5), {}, {}, {}

local function finish(id, flags, key, reply, hook)
    local head, result = ARGV[a + 3], ARGV[a + 4]
    local dead = string.find(flags, 'd', 1, true)
    redis.call('SET', key, head .. result, 'PX', dead and dead_ttl or ttl)
    if dead then redis.call('ZADD', KEYS[5], string.format('%.0f', now), id) end
    if string.find(flags, 'p', 1, true) then
        redis.call('XADD', KEYS[3], '*', 'id', id, 'status', STATUS[string.sub(head, 3, 3)], 'doc', result)
    end
    if reply then
        redis.call('LPUSH', reply, result)
        redis.call('PEXPIRE', reply, reply_ttl)
    end
    if hook and redis.call('SET', hook, ARGV[a + 6], 'NX') then hooks[#hooks + 1] = ARGV[a + 5] end
end

while ARGV[a] do
    local id, flags, key, reply, hook = ARGV[a], ARGV[a + 2], KEYS[k], nil, nil
    k = k + 1
    if string.find(flags, 'r', 1, true) then
        reply = KEYS[k]
        k = k + 1
    end
    if string.find(flags, 'w', 1, true) then
        hook = KEYS[k]
        k = k + 1
    end
    local held = redis.call('GETRANGE', key, '3', '25')
    local claim = string.sub(held, 2)
    ids[#ids + 1] = id
    if claim == ARGV[a + 1] then
        finish(id, flags, key, reply, hook)
        if string.sub(held, 1, 1) == 'c' then redis.call('HDEL', KEYS[6], id) end
        out[#out + 1] = 'k'
        a = add_costs(a + 7, KEYS[4], id)
    elseif claim == string.sub(ARGV[a + 3], 5, 26) then
        out[#out + 1] = 'a'
        a = skip_costs(a + 7)
    else
        out[#out + 1] = 's'
        a = add_late_costs(a + 7, KEYS[4], KEYS[8], id, now)
    end
end
if #ids > 0 then redis.call('SREM', KEYS[2], unpack(ids)) end
if #hooks > 0 then
    redis.call('LPUSH', KEYS[9], unpack(hooks))
    ring(KEYS[10])
end
write_sums(KEYS[7])
return {'ok', table.concat(out)}
