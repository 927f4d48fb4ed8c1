-- finish.lua - jobs end: record, result, costs, reply and webhook job, in one.
--
-- KEYS: 1 guard  2 active ids of the worker  3 results  4 costs  5 dead  6 cancels  7 spend of the day
--       8 late cost events  9 ready:webhook  10 wake:webhook  11 calls of the worker
--       then per job: record, reply list when `how` has 'r', two records for the webhook's job
--       when it has 'w'
-- ARGV: 1 what the guard must hold ('' not asked)  2 ms that ended records are kept
--       3 ms that dead ones are  4 ms that replies are  5.. dimension sets (prelude)
--       then per job: id, how, new record (header, document when 'k', result),
--       webhook id, spare webhook id and webhook record when 'w', cost events (prelude) when '$'
--       the spare id is taken when an earlier job of this id has left its webhook's record
--       how: expected tnum and token (22), new state (1), then of these:
--       'p' publish to results  'd' dead, kept for replay  'k' the document is kept
--       'r' reply  'w' webhook  '$' there were costs
-- Returns {'ok', one letter per job}, {'deposed'}, or {'day', now}: the spend key is of another day
--       k written  a again: the same was written before, and nothing is changed now
--       s stale: only costs were added
--
-- The costs of a job that may be replayed are remembered as told, and those of a cancelled one: it may
-- have ended because its worker was taken for dead, and then that worker may tell of the same call.
--
-- The jobs of a batch mostly share one `how`, so it is parsed once.  The result
-- is cut out of the record, not the record put together of its parts: Redis's Lua
-- hashes every byte of every string that it makes, and that is a fifth of the cost.
local call, sub = redis.call, string.sub
if ARGV[1] ~= '' and call('GET', KEYS[1]) ~= ARGV[1] then return {'deposed'} end
local ttl, dead_ttl, reply_ttl = ARGV[2], ARGV[3], ARGV[4]
local now = now_ms()
if other_day(5, now) then return {'day', now} end
local k, a, out, ids, hooks, parsed = 12, read_sets(5), {}, {}, {}, {}

local function parse(how)
    local flags = sub(how, 24)
    local function has(flag) return string.find(flags, flag, 1, true) ~= nil end
    local p = {claim = sub(how, 1, 22), held = '-' .. sub(how, 1, 22), status = STATUS[sub(how, 23, 23)],
        publish = has('p'), dead = has('d'), keeps = has('k'), reply = has('r'), hook = has('w'), costs = has('$'),
        late = has('d') or sub(how, 23, 23) == 'x'}
    parsed[how] = p
    return p
end

-- Give the webhook's job the first of two ids that is free.
local function make_hook(first, second)
    if call('SET', first, ARGV[a + 5], 'NX') then
        hooks[#hooks + 1] = ARGV[a + 3]
    elseif call('SET', second, ARGV[a + 5], 'NX') then
        hooks[#hooks + 1] = ARGV[a + 4]
    end
end

local function finish(id, p, record, key, reply, hook)
    call('SET', key, record, 'PX', p.dead and dead_ttl or ttl)
    if p.dead then call('ZADD', KEYS[5], string.format('%.0f', now), id) end
    if p.publish or reply then
        local kept = p.keeps and tonumber(sub(record, @doc_bytes), 16) or 0
        local result = sub(record, HEADER + 1 + kept)
        if p.publish then redis.pcall('XADD', KEYS[3], '*', 'id', id, 'status', p.status, 'doc', result) end
        if reply then -- a key of the producer's making may be of another type
            redis.pcall('LPUSH', reply, result)
            call('PEXPIRE', reply, reply_ttl)
        end
    end
    if hook then make_hook(KEYS[hook], KEYS[hook + 1]) end
end

while ARGV[a] do
    local id, how, record, key, reply, hook = ARGV[a], ARGV[a + 1], ARGV[a + 2], KEYS[k], nil, nil
    local p = parsed[how] or parse(how)
    local costs = a + (p.hook and 6 or 3)
    local held = held_of(key)
    k = k + 1
    if p.reply then
        reply = KEYS[k]
        k = k + 1
    end
    if p.hook then
        hook = k
        k = k + 2
    end
    if held == p.held or sub(held, 2) == p.claim then
        ids[#ids + 1] = id
        finish(id, p, record, key, reply, hook)
        if held ~= p.held then redis.pcall('HDEL', KEYS[6], id) end -- cancel was asked
        out[#out + 1] = 'k'
        a = p.costs and add_costs(costs, KEYS[4], id, p.late and KEYS[8], now) or costs
    elseif sub(held, 2) == sub(record, @tnum-token) then
        out[#out + 1] = 'a'
        a = p.costs and skip_costs(costs) or costs
    else
        if not stays(key, KEYS[2]) then ids[#ids + 1] = id end
        out[#out + 1] = 's'
        a = p.costs and add_late_costs(costs, KEYS[4], KEYS[8], id, now) or costs
    end
end
if #ids > 0 then call('SREM', KEYS[2], unpack(ids)) end
if #hooks > 0 then
    call('LPUSH', KEYS[9], unpack(hooks))
    ring(KEYS[10])
end
write_sums(KEYS[7], KEYS[11])
return {'ok', table.concat(out)}
