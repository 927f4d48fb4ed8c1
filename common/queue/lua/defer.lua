-- defer.lua - active jobs go back: retry, poll, park, given back, taken over.
--
-- KEYS: 1 guard  2 active ids of the worker  3 costs  4 spend of the day  5 late cost events
--       6 delayed  7 bell  8..15 ready by queue number  16..23 wake by queue number
--       24 calls of the worker  25.. records
-- ARGV: 1 what the guard must hold ('' not asked)  2.. dimension sets (prelude)
--       then per job: id, expected tnum and token (22), queue number, queue name, delay_ms,
--       'f' to the front | 'b' to the back, new header, '' or what replaces all behind the header,
--       cost events (prelude)
-- Returns {'ok', one letter per job}, {'deposed'}, or {'day', now}: the spend key is of another day
--       k written  a again: the same was written before, and nothing is changed now
--       s stale: only costs were added
--       c cancel was asked: nothing was written, finish it as cancelled
--
-- After `a` the id stays among the active ones: the first call took it out, so it is there because
-- the same worker has claimed the job again since.
if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'deposed'} end
local now = now_ms()
if other_day(2, now) then return {'day', now} end
local k, a, out, ids, front, back, due_args, earliest = 25, read_sets(2), {}, {}, {}, {}, {}, nil

local function defer(id, key)
    local delay, first, head, body = tonumber(ARGV[a + 4]), ARGV[a + 5] == 'f', ARGV[a + 6], ARGV[a + 7]
    local due = now + delay
    head = string.sub(head, @<due_ms) .. hex11(due) .. string.sub(head, @>due_ms)
    if body ~= '' then
        redis.call('SET', key, head .. body)
    else
        redis.call('SETRANGE', key, '0', head)
    end
    if delay > 0 then
        due_args[#due_args + 1] = string.format(first and '%.0f.5' or '%.0f', due)
        due_args[#due_args + 1] = ARGV[a + 3] .. '/' .. id
        earliest = math.min(earliest or due, due)
    else
        append(first and front or back, tonumber(ARGV[a + 2]), id)
    end
end

while ARGV[a] do
    local id, key = ARGV[a], KEYS[k]
    k = k + 1
    local held = held_of(key)
    local claim = string.sub(held, 2)
    if claim == ARGV[a + 1] and string.sub(held, 1, 1) == 'c' then
        out[#out + 1] = 'c'
        a = skip_costs(a + 8)
    else
        local leaves = false
        if claim == ARGV[a + 1] then
            defer(id, key)
            leaves = true
            out[#out + 1] = 'k'
            a = add_costs(a + 8, KEYS[3], id, KEYS[5], now)
        elseif claim == string.sub(ARGV[a + 6], 5, 26) then
            out[#out + 1] = 'a'
            a = skip_costs(a + 8)
        else
            leaves = not stays(key, KEYS[2])
            out[#out + 1] = 's'
            a = add_late_costs(a + 8, KEYS[3], KEYS[5], id, now)
        end
        if leaves then ids[#ids + 1] = id end
    end
end
if #ids > 0 then redis.call('SREM', KEYS[2], unpack(ids)) end
enqueue(back, 8, 16, false)
enqueue(front, 8, 16, true)
if #due_args > 0 then
    local first = redis.call('ZRANGE', KEYS[6], 0, 0, 'WITHSCORES')
    zadd(KEYS[6], due_args)
    if (not first[2] or earliest < tonumber(first[2])) and redis.call('EXISTS', KEYS[7]) == 0 then
        redis.call('LPUSH', KEYS[7], '1')
    end
end
write_sums(KEYS[4], KEYS[24])
return {'ok', table.concat(out)}
