-- limit.lua - a process tells what it used of its buckets, and takes tickets of them.
--
-- KEYS: 1 buckets
-- ARGV: 1 worker id  2 ms that a worker's slots are kept without a word of it
--       then per bucket (24): field,
--       calls sent, tokens sent, calls refused, tickets wanted: 3 of calls, 3 of tokens,
--       given back: 3 of calls, 3 of tokens, change, what it expects, pause in us, rate of calls,
--       rate of tokens, control text, most calls at once ('0': any), slots wanted
--       change: 'g' a new rate, if the epoch is the expected one; 'c' a cut, if the number of cuts
--       is; '-' none.  A bucket that is not there begins with the rates and control given.
-- Returns {now in us, then per bucket: its text (common/limit/bucket.h), slots granted}.  The tickets
-- are the last ones issued.
--
-- The sums are those of common/limit/bucket.c.
local call, find, tonum = redis.call, string.match, tonumber
local NEAR, WEIGHTS, BURST_S, FIELDS_MAX, IDLE_US = 1e-6, {16, 4, 1}, 0.01, 512, 3600e6
local WORDS = string.rep('(%S+) ', 24) .. '(.*)'
local LANE = ' %.9g %.6f %.6f %.6f %.6f %.6f %.6f %.6f'
local FORM = '1 %.0f %.0f %.0f %.0f %.0f %.0f %.0f' .. LANE .. LANE .. ' '
local t = call('TIME')
local now = t[1] * 1000000 + t[2]
local out = {string.format('%.0f', now)}

-- A lane at w[o]: rate, credit, then position and last number issued of each class.
local function weight(w, o)
    local sum = 0
    for k = 1, 3 do
        if w[o + 2 * k + 1] - w[o + 2 * k] > NEAR then sum = sum + WEIGHTS[k] end
    end
    return sum
end

-- Let at most `work` pass, until a class has none left that wait.
local function pass(w, o, work)
    local sum, step = weight(w, o), work
    for k = 1, 3 do
        local left = w[o + 2 * k + 1] - w[o + 2 * k]
        if left > NEAR then step = math.min(step, left * sum / WEIGHTS[k]) end
    end
    for k = 1, 3 do
        local at = o + 2 * k
        if w[at + 1] - w[at] > NEAR then w[at] = w[at] + step * WEIGHTS[k] / sum end
    end
    return step
end

local function advance(w, o, s)
    local rate = w[o]
    if rate <= 0 then
        for k = 1, 3 do w[o + 2 * k] = w[o + 2 * k + 1] end
        return
    end
    local work = rate * s
    for _ = 1, 3 do
        if work > 0 and weight(w, o) > 0 then work = work - pass(w, o, work) end
    end
    if work > 0 then w[o + 1] = math.min(w[o + 1] + work, math.max(1, rate * BURST_S)) end
end

-- Give `back` unused tickets and take n: what was saved up is used first.
local function take(w, o, k, n, back)
    local at = o + 2 * k
    local used = w[o] > 0 and math.min(w[o + 1], n) or n
    if w[o] > 0 then w[o + 1] = w[o + 1] - used end
    w[at + 1] = w[at + 1] + n
    w[at] = math.min(w[at] + back + used, w[at + 1])
end

-- Room for one more bucket: those that nobody used for an hour go, else the oldest.
local function make_room()
    local all, oldest, oldest_at, gone = call('HGETALL', KEYS[1]), nil, nil, 0
    for i = 1, #all, 2 do
        local at = tonum(find(all[i + 1], '^1 (%d+) ') or '0')
        if now - at > IDLE_US then
            call('HDEL', KEYS[1], all[i])
            gone = gone + 1
        elseif not oldest or at < oldest_at then
            oldest, oldest_at = all[i], at
        end
    end
    if gone == 0 and oldest then call('HDEL', KEYS[1], oldest) end
end

local function read(a)
    local text = call('HGET', KEYS[1], ARGV[a])
    local w = {find(text or '', WORDS)}
    if w[1] == '1' then
        for i = 1, 24 do w[i] = tonum(w[i]) or 0 end
        return w
    end
    if not text and call('HLEN', KEYS[1]) >= FIELDS_MAX then make_room() end
    w = {1, now, 0, 0, 0, 0, 0, 0}
    for i = 9, 24 do w[i] = 0 end
    w[9], w[17], w[25] = tonum(ARGV[a + 19]), tonum(ARGV[a + 20]), ARGV[a + 21]
    w[10], w[18] = math.max(1, w[9] * BURST_S), math.max(1, w[17] * BURST_S)
    return w
end

local function change(w, a)
    local what, expects = ARGV[a + 16], tonum(ARGV[a + 17])
    if what == 'g' and expects ~= w[4] or what == 'c' and expects ~= w[5] or what == '-' then return end
    w[9], w[17], w[25] = tonum(ARGV[a + 19]), tonum(ARGV[a + 20]), ARGV[a + 21]
    w[4] = w[4] + 1
    if what == 'c' then
        w[5] = w[5] + 1
        w[3] = math.max(w[3], now + ARGV[a + 18])
    end
end

-- How many calls this worker may have under way: "<worker> <slots> <until us> ..." of all.
local function slots(field, most, wanted)
    local text, kept, others = call('HGET', KEYS[1], field) or '', {}, 0
    for worker, n, till in string.gmatch(text, '(%S+) (%d+) (%d+)') do
        if worker ~= ARGV[1] and tonum(till) > now then
            kept[#kept + 1] = worker .. ' ' .. n .. ' ' .. till
            others = others + n
        end
    end
    local granted = math.max(0, math.min(wanted, most - others))
    if granted > 0 then
        kept[#kept + 1] = string.format('%s %d %.0f', ARGV[1], granted, now + ARGV[2] * 1000)
    end
    if #kept > 0 then
        call('HSET', KEYS[1], field, table.concat(kept, ' '))
    else
        call('HDEL', KEYS[1], field)
    end
    return granted
end

for a = 3, #ARGV, 24 do
    local w = read(a)
    local from = math.max(w[2], w[3])
    for o = 9, 17, 8 do
        if now > from then advance(w, o, (now - from) / 1e6) end
    end
    w[2] = math.max(w[2], now)
    for i = 1, 3 do w[5 + i] = w[5 + i] + ARGV[a + i] end
    change(w, a)
    for k = 1, 3 do
        take(w, 9, k, tonum(ARGV[a + 3 + k]), tonum(ARGV[a + 9 + k]))
        take(w, 17, k, tonum(ARGV[a + 6 + k]), tonum(ARGV[a + 12 + k]))
    end
    local text = string.format(FORM, unpack(w, 2, 24)) .. w[25]
    call('HSET', KEYS[1], ARGV[a], text)
    out[#out + 1] = text
    local most = tonum(ARGV[a + 22])
    out[#out + 1] = most > 0 and slots(ARGV[a] .. '#', most, tonum(ARGV[a + 23])) or 0
end
return out
