-- budget.lua - money is set aside before calls and settled after them, for many jobs at once; and
-- calls are noted before they are made.
--
-- KEYS: 1 budget (hash: sum -> 'spent reserved told ends limit alerts', see common/budget/budget.h)
--       2 holds (hash: hold -> 'o|c amount sum ...': open, or charged as nobody settled it)
--       3 holds-due (zset: 'h' hold -> when it expires; 's' sum -> when it is forgotten)
--       4 alerts  5 alerted (see alert.lua)  6 workers
--       7 calls of the worker (hash: hold -> what is told if the worker dies now, see notes.h)
-- ARGV: 1 ms that a charged hold is remembered  2 ms that a sum is kept after its period
--       3 worker id ('': no hold is made)
--       4 n, then n sums: name, start and end of its period, limit, alerts ('50,80,100')
--       then n, then n holds to settle: hold; what the call cost, or 'lost': nobody will ever know,
--         or 'unmade': the call was not made, and its note goes; '1' when the request to make the
--         hold may still come, from a connection that was lost: it is remembered then
--       then n, then n holds to make: hold, amount, ms until it expires, note, k, k sums (from 1).
--         Without sums it is a note alone
-- Returns {'ok', now, {answer per hold to make}, {sum, percent, spent, limit, ...}}
--       answer 0: held (also when an equal call had made it: an answer was lost)
--       else {kind, sum, spent, reserved}: nothing was changed
--         1 held by others: there will be room if calls under way cost less than they may
--         2 full: spent + amount is over the limit  3 never: the amount alone is
--         4 gone: the worker is not registered, so others have its jobs, and nobody would find the
--           hold
--       the last list, for logs: percents of the limit that `spent` has reached now for the first
--       time; their alerts are written here, so that none is lost with its caller.  A limit that was
--       raised is told of anew, but each limit once an hour: two workers may differ in it for a while
--       or {'period', now}: it is not the period of a sum; nothing was done
--
-- At most 1,000 holds of each kind in one call: Lua's stack is not endless.
--
-- All sums of a hold have room (spent + reserved + amount <= limit), or none is touched.  Settling
-- comes before making, so that room is given on in the same call.
--
-- What a crash leaves (the worst case stays counted until it is known to be less):
--   after the hold was made, before the call  it is charged (spent += amount) when whoever takes
--                                             the job over says 'lost', at its deadline at last
--   during the call, after it, before settle  the same: the provider may have billed it
--   the answer to making it was lost          the same hold is asked for again: 0, counted once
--   the answer to settling it was lost        settled again: the hold is gone, nothing happens
--   it is settled twice                       the same
--   it was charged, and then is settled       spent += cost - amount, while it is remembered
--   later than that                           the amount stays spent
--   it is settled before it is made           it is remembered as charged with 0: made later, by a
--                                             connection that was lost, it counts nothing
--   the call was made, and its cost not told  the note stays: whoever recovers the worker tells it
--   it is made for a worker that was buried   it is refused
-- A hold counts in the period in which it was made, whenever it is settled.
local call = redis.call
local now, a, sums, dirty, told, answers = now_ms(), 5, {}, {}, {}, {}
local remember, keep = tonumber(ARGV[1]), tonumber(ARGV[2])

-- A sum that would not fit 63 bits stays at MOST, so that C can read it.
local MOST = 9.2e18
local function int(n) return string.format('%.0f', n) end

local function load(name)
    local sum = sums[name]
    if sum == nil then
        local value = call('HGET', KEYS[1], name)
        local s, r, t, e, l, p = string.match(value or '', '^(%d+) (%d+) (%d+) (%d+) (%d+) (%S*)$')
        sum = s and {name = name, spent = tonumber(s), reserved = tonumber(r), told = tonumber(t), ends = e,
            limit = tonumber(l), alerts = p} or false
        sums[name] = sum
    end
    return sum
end

-- nano-USD with at least two decimals.
local function usd(n)
    return string.match(string.format('%.9f', n / 1000000000), '^(%d+%.%d%d.-)0*$')
end

local function tell(sum, percent)
    if percent <= sum.told then return end
    sum.told = percent
    local code = 'budget_' .. percent
    local doc = '{"code":"' .. code .. '","subject":"' .. sum.name ..
        '","message":"budget ' .. sum.name .. ': ' .. usd(sum.spent) .. ' of ' .. usd(sum.limit) .. ' USD are spent' ..
        (percent == 100 and ', and there is no room for another call' or '') .. '","at":' .. int(now) .. '}'
    if alert_once(KEYS[4], KEYS[5], now, code, sum.name .. ' ' .. int(sum.limit), doc, 3600000) == 0 then return end
    for _, v in ipairs({sum.name, int(percent), int(sum.spent), int(sum.limit)}) do told[#told + 1] = v end
end

-- A sum that is forgotten already changes no more.
local function change(name, reserved, spent)
    local sum = load(name)
    if not sum then return end
    sum.reserved = math.min(MOST, math.max(0, sum.reserved + reserved))
    sum.spent = math.min(MOST, math.max(0, sum.spent + spent))
    dirty[name] = sum
    if spent > 0 and sum.limit > 0 then
        for percent in string.gmatch(sum.alerts, '%d+') do
            if sum.spent * 100 >= sum.limit * percent then tell(sum, tonumber(percent)) end
        end
    end
end

-- State and amount of a hold, and the names of its sums (they have blanks: so there are bars).
local function read_hold(value)
    local state, amount, names = string.match(value or '', '^([oc]) (%d+)(.*)$')
    return state, tonumber(amount), names
end

local function change_all(names, reserved, spent)
    for name in string.gmatch(names, '|([^|]+)') do change(name, reserved, spent) end
end

-- What an open hold has set aside is spent from now on; a later answer still corrects it.
local function charge(hold, amount, names)
    change_all(names, -amount, amount)
    call('HSET', KEYS[2], hold, 'c ' .. int(amount) .. names)
    call('ZADD', KEYS[3], int(now + remember), 'h' .. hold)
end

-- ---- what is due ----
local function expire(hold, member)
    local state, amount, names = read_hold(call('HGET', KEYS[2], hold))
    if state == 'o' then
        charge(hold, amount, names)
    else
        call('HDEL', KEYS[2], hold)
        call('ZREM', KEYS[3], member)
    end
end

-- ---- settling: one read and two writes for all ----
local function settle(n)
    local ids, gone, undue, seen, unmade, kept, due = {}, {}, {}, {}, {}, {}, {}
    for i = 1, n do ids[i] = ARGV[a + 3 * i - 3] end
    local values = call('HMGET', KEYS[2], unpack(ids))
    for i = 1, n do
        local state, amount, names = read_hold(values[i])
        local cost, may_come = ARGV[a + 3 * i - 2], ARGV[a + 3 * i - 1] == '1'
        if cost == 'unmade' then
            cost = 0
            unmade[#unmade + 1] = ids[i]
        end
        if cost == 'lost' then
            if state == 'o' and not seen[ids[i]] then charge(ids[i], amount, names) end
            seen[ids[i]] = true
        elseif state and not seen[ids[i]] then
            change_all(names, state == 'o' and -amount or 0, cost - (state == 'o' and 0 or amount))
            seen[ids[i]] = true
            if not may_come then
                gone[#gone + 1] = ids[i]
                undue[#undue + 1] = 'h' .. ids[i]
            end
        end
        if may_come then
            kept[#kept + 1] = ids[i]
            kept[#kept + 1] = 'c 0'
            due[#due + 1] = int(now + remember)
            due[#due + 1] = 'h' .. ids[i]
        end
    end
    if #kept > 0 then
        call('HSET', KEYS[2], unpack(kept))
        call('ZADD', KEYS[3], unpack(due))
    end
    if #gone > 0 then
        call('HDEL', KEYS[2], unpack(gone))
        call('ZREM', KEYS[3], unpack(undue))
    end
    if #unmade > 0 then call('HDEL', KEYS[7], unpack(unmade)) end
    a = a + 3 * n
end

-- ---- making holds: the same ----
local given, made, due, notes = {}, {}, {}, {}

local function refuses(sum, amount)
    if amount > sum.limit then return 3 end
    if sum.spent + amount > sum.limit then return 2 end
    return sum.spent + sum.reserved + amount > sum.limit and 1 or 0
end

local function refused(kind, index)
    local sum = given[index]
    if kind == 2 and string.find(sum.alerts, '100', 1, true) then
        tell(sum, 100)
        dirty[sum.name] = sum
    end
    return {kind, index, sum.spent, sum.reserved}
end

local function make(hold, amount, ttl, note, k)
    local worst, which, names = 0, nil, ''
    for i = 1, k do
        local index = tonumber(ARGV[a + 4 + i])
        local kind = refuses(given[index], amount)
        if kind > worst then worst, which = kind, index end
        names = names .. '|' .. given[index].name
    end
    if worst > 0 then return refused(worst, which) end
    notes[#notes + 1] = hold
    notes[#notes + 1] = note
    if k == 0 then return 0 end
    for i = 1, k do change(given[tonumber(ARGV[a + 4 + i])].name, amount, 0) end
    made[#made + 1] = hold
    made[#made + 1] = 'o ' .. int(amount) .. names
    due[#due + 1] = int(now + ttl)
    due[#due + 1] = 'h' .. hold
    return 0
end

local function make_all(n)
    local ids, at, seen = {}, a, {}
    if call('HEXISTS', KEYS[6], ARGV[3]) == 0 then
        for i = 1, n do answers[i] = {4} end
        return
    end
    for i = 1, n do
        ids[i] = ARGV[at]
        at = at + 5 + ARGV[at + 4]
    end
    local values = call('HMGET', KEYS[2], unpack(ids))
    for i = 1, n do
        local k = tonumber(ARGV[a + 4])
        if values[i] or seen[ids[i]] then
            answers[i] = 0
        else
            answers[i] = make(ids[i], tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2]), ARGV[a + 3], k)
            seen[ids[i]] = answers[i] == 0
        end
        a = a + 5 + k
    end
    if #notes > 0 then
        call('HSET', KEYS[7], unpack(notes))
        call('PEXPIRE', KEYS[7], 8640000000)
    end
    if #made > 0 then
        call('HSET', KEYS[2], unpack(made))
        call('ZADD', KEYS[3], unpack(due))
    end
end

-- ---- what was lost ----
-- Each sum and each hold has one member in holds-due.  When their numbers differ a key was lost, and
-- what is left is put in order: reserved is what the open holds set aside.
local reserved = {} -- then, by sum
local function put_in_order()
    local holds, all = call('HGETALL', KEYS[2]), call('HGETALL', KEYS[1])
    for i = 1, #holds, 2 do
        local state, amount, names = read_hold(holds[i + 1])
        for name in string.gmatch(state == 'o' and names or '', '|([^|]+)') do
            reserved[name] = (reserved[name] or 0) + amount
        end
        call('ZADD', KEYS[3], 'NX', int(now + remember), 'h' .. holds[i])
    end
    for i = 1, #all, 2 do
        local sum = load(all[i])
        if sum then
            sum.reserved = reserved[all[i]] or 0
            dirty[all[i]] = sum
        end
        call('ZADD', KEYS[3], 'NX', int((sum and sum.ends or now) + keep), 's' .. all[i])
    end
    for _, member in ipairs(call('ZRANGE', KEYS[3], 0, -1)) do
        local of = string.sub(member, 1, 1) == 'h' and KEYS[2] or KEYS[1]
        if call('HEXISTS', of, string.sub(member, 2)) == 0 then call('ZREM', KEYS[3], member) end
    end
end

-- ---- the call ----
for _ = 1, tonumber(ARGV[4]) do
    if now < tonumber(ARGV[a + 1]) or now >= tonumber(ARGV[a + 2]) then return {'period', now} end
    a = a + 5
end
if call('ZCARD', KEYS[3]) ~= call('HLEN', KEYS[1]) + call('HLEN', KEYS[2]) then put_in_order() end
a = 5
for i = 1, tonumber(ARGV[4]) do
    local name = ARGV[a]
    local sum = load(name)
    if not sum then
        sum = {name = name, spent = 0, reserved = reserved[name] or 0, told = 0, ends = ARGV[a + 2], is_new = true}
        sums[name] = sum
    end
    local limit = tonumber(ARGV[a + 3])
    if sum.limit and limit > sum.limit then sum.told = math.min(sum.told, math.floor(sum.spent * 100 / limit)) end
    sum.limit, sum.alerts = limit, ARGV[a + 4]
    given[i] = sum
    a = a + 5
end
for _, member in ipairs(call('ZRANGEBYSCORE', KEYS[3], '-inf', int(now), 'LIMIT', 0, 200)) do
    local name = string.sub(member, 2)
    if string.sub(member, 1, 1) == 'h' then
        expire(name, member)
    else
        call('HDEL', KEYS[1], name)
        call('ZREM', KEYS[3], member)
        sums[name], dirty[name] = false, nil
    end
end
local settled = tonumber(ARGV[a])
a = a + 1
if settled > 0 then settle(settled) end
local wanted = tonumber(ARGV[a])
a = a + 1
if wanted > 0 then make_all(wanted) end
for name, sum in pairs(dirty) do
    if sum.is_new then call('ZADD', KEYS[3], int(sum.ends + keep), 's' .. name) end
    call('HSET', KEYS[1], name, table.concat({int(sum.spent), int(sum.reserved), int(sum.told), sum.ends,
        int(sum.limit), sum.alerts}, ' '))
end
for i = 1, 3 do call('PEXPIRE', KEYS[i], 8640000000) end
return {'ok', now, answers, told}
