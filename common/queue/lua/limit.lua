-- limit.lua - a process tells what it used of its buckets, and takes tickets of them.
--
-- KEYS: 1 buckets
-- ARGV: 1 worker id  2 ms that a worker's slots are kept without a word of it
--       then per bucket (25): field,
--       calls sent, tokens sent, calls refused, tickets wanted: 3 of calls, 3 of tokens,
--       given back: 3 of calls, 3 of tokens, change, what it expects, pause in us, rate of calls,
--       rate of tokens, control text, the text without control as this process knows it ('': it
--       knows none), most calls at once ('0': any), slots wanted
--       change: 'g' a new rate, if the epoch is the expected one; 'c' a cut, if the number of cuts
--       is; '-' none.  A bucket that is missing is made again as this process knows it, with the
--       rates and control given.
-- Returns {now in us, then per bucket: its text (common/limit/bucket.h), slots granted}.  The tickets
-- are the last ones issued.
--
-- The sums are those of common/limit/bucket.c.
local call, find, tonum = redis.call, string.match, tonumber
local NEAR, WEIGHTS, BURST_S, FIELDS_MAX, HOUR_US = 1e-6, {16, 4, 1}, 0.01, 512, 3600e6
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

-- The higher, the later a field is removed: when it was used last; of slots, when the last ones end.
-- A bucket whose rate has never changed can be made again at no loss, and counts as an hour older.
local function rank(field, text)
    if string.sub(field, -1) == '#' then return tonum(find(text, ' (%d+)$') or 0) end
    local at, epoch = find(text, '^1 (%d+) %d+ (%d+) ')
    return tonum(at or 0) - (epoch == '0' and HOUR_US or 0)
end

-- Room for more buckets; an eighth at once, as all have to be looked at.
local function make_room()
    local all, ranks, fields = call('HGETALL', KEYS[1]), {}, {}
    for i = 1, #all, 2 do
        fields[#fields + 1] = all[i]
        ranks[all[i]] = rank(all[i], all[i + 1])
    end
    table.sort(fields, function(a, b) return ranks[a] < ranks[b] end)
    call('HDEL', KEYS[1], unpack(fields, 1, FIELDS_MAX / 8))
end

local function read(a)
    local text = call('HGET', KEYS[1], ARGV[a])
    local w = {find(text or '', WORDS)}
    if w[1] == '1' then
        for i = 1, 24 do w[i] = tonum(w[i]) or 0 end
        return w
    end
    if not text and call('HLEN', KEYS[1]) >= FIELDS_MAX then make_room() end
    w = {find(ARGV[a + 22] .. ' ', WORDS)}
    for i = 1, 24 do w[i] = tonum(w[i]) or 0 end
    w[9], w[17], w[25] = tonum(ARGV[a + 19]), tonum(ARGV[a + 20]), ARGV[a + 21]
    if w[1] ~= 1 then
        w[2], w[10], w[18] = now, math.max(1, w[9] * BURST_S), math.max(1, w[17] * BURST_S)
    end
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

for a = 3, #ARGV, 25 do
    local w = read(a)
    if w[2] > now then w[2], w[3] = now, w[3] - (w[2] - now) end -- the clock was set back
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
    local most = tonum(ARGV[a + 23])
    out[#out + 1] = most > 0 and slots(ARGV[a] .. '#', most, tonum(ARGV[a + 24])) or 0
end
return out
