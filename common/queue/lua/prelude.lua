-- prelude.lua - put before every script: the record's layout and shared parts.
--
-- A line `-- part: NAMES` begins a part, which a script gets only when it (or a
-- later part that it gets) calls or indexes one of NAMES: what is here is made anew
-- at every call of a script, and a script that runs once in a while pays for
-- every line with cold memory.
--
-- KEYS, ARGV: those of the script that follows.
-- Returns: nothing; it defines local functions only.
--
-- Places in a record's header come from common/queue/record_fields.def.  In the scripts
--   @due_ms       is from, to        of a field, or of several (@tnum-token), for string.sub
--   @<due_ms      is 1, to           of all before it
--   @>due_ms      is from            of all behind it
--   @[due_ms]     is 'from', 'to'    for GETRANGE
--   @=due_ms      is 'from'          for SETRANGE
-- Numbers in a record are fixed-width lower-case hex, so that strings compare as numbers.
-- A script that uses TYPES gets two more lines, made of the tables in C:
--   QUEUES  '01=name 02=name ', as a record numbers them     TYPES  the codes of the types
local HEADER = 129
local ZERO = '00000000000'

-- part: STATUS
local STATUS = {c = 'completed', p = 'partial', f = 'failed', x = 'cancelled', e = 'expired', j = 'rejected'}

-- part: now_ms
local function now_ms()
    local t = redis.call('TIME')
    return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- part: alert_once
-- Tell the team, unless the same (code and subject) was told less than again ms ago.  A key of
-- another type loses the alert, and not what it tells of.
local function alert_once(alerts, alerted, now, code, subject, doc, again)
    local field = code .. ' ' .. subject
    local last = redis.pcall('HGET', alerted, field)
    if type(last) == 'string' and now - last < tonumber(again) then return 0 end
    redis.pcall('HSET', alerted, field, string.format('%.0f', now))
    return type(redis.pcall('XADD', alerts, '*', 'code', code, 'doc', doc)) == 'string' and 1 or 0
end

-- part: hex11
local function hex11(n)
    return string.format('%011x', n)
end

-- part: next_tnum
-- The number of the next transition.  It goes round: the token tells the rounds apart.
local function next_tnum(tnum)
    return string.format('%06x', (tonumber(tnum, 16) + 1) % 16777216)
end

-- part: held_of
-- Flag, tnum and token of a record; '' when there is none.  A key that is no string is
-- none: one such job must not keep a whole batch from being written.
local function held_of(key)
    local held = redis.pcall('GETRANGE', key, @[flags-token])
    return type(held) == 'string' and held or ''
end

-- part: zadd
-- Scores and members in turn; by thousands, for Lua's stack is not endless.
local function zadd(key, pairs_of)
    for i = 1, #pairs_of, 4000 do
        redis.call('ZADD', key, unpack(pairs_of, i, math.min(i + 3999, #pairs_of)))
    end
end

-- part: ring
-- Wake one sleeping worker of a queue; at most 64 tokens lie there.  id: the one job that is
-- new there, as a hint; '1' tells none.  A key of another type wakes nobody, and keeps no script
-- from its end.
local function ring(wake, id)
    local n = redis.pcall('LPUSH', wake, id or '1')
    if type(n) == 'number' and n > 64 then redis.call('LTRIM', wake, '0', '63') end
end

-- part: enqueue
-- Ids by queue number -> ready lists.  front: they run before what is there,
-- first id first; else behind it, first id first.
local function enqueue(lists, ready1, wake1, front)
    for q, ids in pairs(lists) do
        if front then
            local turned = {}
            for i = #ids, 1, -1 do turned[#turned + 1] = ids[i] end
            redis.call('RPUSH', KEYS[ready1 + q - 1], unpack(turned))
        else
            redis.call('LPUSH', KEYS[ready1 + q - 1], unpack(ids))
        end
        ring(KEYS[wake1 + q - 1])
    end
end

-- part: stays
-- An outcome is stale.  Does the id stay in the worker's active set (whose key ends with the
-- worker's tag)?  Yes when the job is active here under a later claim, and when it is ready: Redis
-- may have forgotten its start, so that nothing else names it; the worker looks.
local function stays(key, active)
    local held = redis.pcall('GETRANGE', key, '2', '17')
    if type(held) ~= 'string' then return false end
    local state = string.sub(held, 1, 1)
    return state == 'r' or state == 'a' and string.sub(held, 9) == string.sub(active, -8)
end

-- part: append
local function append(lists, q, id)
    local list = lists[q]
    if not list then
        list = {}
        lists[q] = list
    end
    list[#list + 1] = id
end

-- part: other_day read_sets add_cost drop_note add_costs add_late_costs skip_costs write_sums
-- ---- money ----
-- Cost events travel in ARGV as: n, then n times
--   event_id, document, dimension set, cost, prompt tokens, completion tokens, estimate, and a word:
--   '' of a call; '=' and a field of the worker's calls (see budget.lua) of one that was noted
--   there, and is not any more; or what was saved by an answer that was known, which is no call
-- and dimension sets as: n, when the spend key's day begins (ms), then n times: k, k names
--   ("model:..", "tenant:..", ...).
local sums = {}
local sets = {}
local notes = {}

-- The caller's clock is not this server's: it is the spend key of another day.
local function other_day(a, now)
    local begins = tonumber(ARGV[a + 1])
    return ARGV[a] ~= '0' and (now < begins or now >= begins + 86400000)
end

local function read_sets(a)
    local n = tonumber(ARGV[a])
    a = a + 2
    for s = 1, n do
        local k = tonumber(ARGV[a])
        local names = {}
        for i = 1, k do names[i] = ARGV[a + i] end
        sets[s] = names
        a = a + k + 1
    end
    return a
end

local function add_cost(a, costs_key, id, doc)
    redis.pcall('XADD', costs_key, '*', 'id', id, 'doc', doc)
    local s, word = ARGV[a + 2], ARGV[a + 7]
    local sum = sums[s]
    if not sum then
        sum = {0, 0, 0, 0, 0, 0, 0}
        sums[s] = sum
    end
    if word ~= '' and string.sub(word, 1, 1) ~= '=' then
        sum[6] = sum[6] + 1
        sum[7] = sum[7] + word
        return
    end
    sum[1] = sum[1] + ARGV[a + 3]
    sum[2] = sum[2] + 1
    sum[3] = sum[3] + ARGV[a + 4]
    sum[4] = sum[4] + ARGV[a + 5]
    sum[5] = sum[5] + ARGV[a + 6]
end

-- The event at ARGV[a] is told, by this call or an earlier one: its note goes.
local function drop_note(a)
    local word = ARGV[a + 7]
    if string.sub(word, 1, 1) == '=' then notes[#notes + 1] = string.sub(word, 2) end
end

-- The events at ARGV[a] when the job's transition was written.  late_key: the job may run
-- again, so that the same outcome, sent once more after its answer was lost, would be taken for
-- a late one: its events are remembered.  Two recoveries of one worker may know the same note, and
-- one of them may have no claim for it (tell.lua): the second adds nothing.
local function add_costs(a, costs_key, id, late_key, now)
    local n = tonumber(ARGV[a])
    a = a + 1
    for _ = 1, n do
        local known = late_key and redis.pcall('ZADD', late_key, 'NX', now, ARGV[a]) == 0
        if not known then add_cost(a, costs_key, id, ARGV[a + 1]) end
        drop_note(a)
        a = a + 8
    end
    return a
end

-- The same when it was stale: the money was spent all the same, once.
local function add_late_costs(a, costs_key, late_key, id, now)
    local n = tonumber(ARGV[a])
    a = a + 1
    for _ = 1, n do
        if redis.call('ZADD', late_key, 'NX', now, ARGV[a]) == 1 then
            local doc = string.gsub(ARGV[a + 1], '"flags":%[(.)', function(c)
                return '"flags":["duplicate"' .. (c == ']' and ']' or ',' .. c)
            end, 1)
            add_cost(a, costs_key, id, doc)
        end
        drop_note(a)
        a = a + 8
    end
    return a
end

local function skip_costs(a)
    return a + 1 + 8 * tonumber(ARGV[a])
end

local SUM_NAMES = {'cost', 'calls', 'prompt', 'completion', 'estimate', 'hits', 'saved'}
local MOST = 9.2e18 -- a sum that would not fit 63 bits stays there
local SPEND_FIELDS = 200000 -- of a day; what else is new then is summed up as "(others)"

local function dim_in_full(spend_key, dim)
    local kind = string.match(dim, '^%a+:')
    local known = not kind or redis.call('HEXISTS', spend_key, dim .. '|calls') == 1 or
        redis.call('HEXISTS', spend_key, dim .. '|hits') == 1
    return known and dim or kind .. '(others)'
end

local function write_sums(spend_key, calls_key)
    for i = 1, #notes, 1000 do
        redis.pcall('HDEL', calls_key, unpack(notes, i, math.min(i + 999, #notes)))
    end
    local fields = next(sums) and redis.pcall('HLEN', spend_key)
    local full = type(fields) == 'number' and fields >= SPEND_FIELDS
    for s, sum in pairs(sums) do
        for _, dim in ipairs(sets[tonumber(s)]) do
            if full then dim = dim_in_full(spend_key, dim) end
            for i = 1, #SUM_NAMES do
                if sum[i] ~= 0 then
                    local field = dim .. '|' .. SUM_NAMES[i]
                    local r = redis.pcall('HINCRBY', spend_key, field, string.format('%.0f', math.min(sum[i], MOST)))
                    if type(r) == 'table' and string.find(r.err, 'overflow', 1, true) then
                        redis.pcall('HSET', spend_key, field, string.format('%.0f', MOST))
                    end
                end
            end
        end
    end
end

