-- take.lua - take intake entries in hand, or show what is in hand already.
--
-- KEYS: 1 lease  2 intake  3 taken  4 portion  5 aside  6 alerts  7 alerted
-- ARGV: 1 lease token  2 most entries  3 most bytes  4 longer entries are cut to this
--       5 a word of this call, when no call before it was answered: what is in hand was taken by
--         a scheduler that ended, or its answer was too large to arrive; else ''
--       6 how the oldest entry begins, when the scheduler has no memory for it: set it aside
--       7 ms in which the same alert is not repeated
-- Returns {'ok', entries left in intake, {entries, newest first}} or {'deposed'}.
--
-- `taken` is emptied only by submit, so what a dead scheduler had in hand is
-- what the next one is shown first.  It may have died of it (no memory), so the
-- next one is shown an eighth of it, and so on down to one entry.  `portion`,
-- "<word> <entries> <in hand> <failures>", remembers this; what was stored since
-- doubles it again, until it is forgotten.  An entry that was shown alone and not
-- stored FAILURES times is set aside, with an alert.
local SHRINK, FAILURES = 8, 5
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'deposed'} end
local most, max_bytes, cut = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local have, bytes, size = redis.call('LLEN', KEYS[3]), 0, 1
local portion = redis.pcall('GET', KEYS[4])
local word, limit, had, failures = string.match(type(portion) == 'string' and portion or '', '^(%S+) (%d+) (%d+) (%d+)$')
limit, had, failures = tonumber(limit or most), tonumber(had or have), tonumber(failures or 0)

local function shorten(entries)
    for i, entry in ipairs(entries) do
        if #entry > cut then entries[i] = string.sub(entry, 1, cut) end
    end
    return entries
end

local function set_aside(why)
    local entry = redis.call('LMOVE', KEYS[3], KEYS[5], 'RIGHT', 'LEFT')
    local id = string.match(string.sub(entry, 1, 4096), '"id"%s*:%s*"([%w._-]+)"') or 'without id'
    local now = now_ms()
    alert_once(KEYS[6], KEYS[7], now, 'intake_aside', id, '{"code":"intake_aside","subject":"' .. id ..
        '","message":"a document of ' .. #entry .. ' bytes could not be taken in: ' .. why ..
        '.  It is kept in ' .. KEYS[5] .. '; when the scheduler has more memory: LMOVE ' .. KEYS[5] .. ' ' .. KEYS[2] ..
        ' RIGHT LEFT","at":' .. string.format('%.0f', now) .. '}', ARGV[7])
    have, failures = have - 1, 0
end

-- What is in hand was shown before, and not stored.
local function blame()
    if limit == 1 and had == have then
        failures = failures + 1
        if failures == FAILURES then set_aside('schedulers ended over it ' .. FAILURES .. ' times') end
    end
    limit = math.max(1, math.floor(math.min(limit, have) / SHRINK))
    word = ARGV[5]
end

if ARGV[5] ~= '' and have > 0 and word ~= ARGV[5] then
    blame()
elseif ARGV[6] ~= '' and string.sub(redis.call('LINDEX', KEYS[3], -1) or '', 1, #ARGV[6]) == ARGV[6] then
    set_aside('the scheduler has no memory for it')
elseif word and (have < had or have == 0) then
    limit, failures = math.min(limit * 2, most), 0
    if limit == most then
        redis.call('DEL', KEYS[4])
        word = nil
    end
end
most = math.min(most, limit)

-- As many as fit if they are like those before: huge ones come one by one.
local function next_size()
    return math.max(1, math.min(64, math.floor((max_bytes - bytes) * have / (bytes + 1))))
end

local entries = {}
if have == 0 then
    while have < most and bytes < max_bytes do
        local part = shorten(redis.call('LRANGE', KEYS[2], -math.min(size, most - have), -1))
        if #part == 0 then break end
        redis.call('LTRIM', KEYS[2], 0, -#part - 1)
        local moved = {}
        for i = #part, 1, -1 do
            bytes = bytes + #part[i]
            moved[#moved + 1] = part[i]
        end
        redis.call('LPUSH', KEYS[3], unpack(moved))
        have = have + #part
        size = next_size()
    end
    if have > 0 then entries = shorten(redis.call('LRANGE', KEYS[3], -have, -1)) end
else
    local shown = {} -- oldest first
    local count = math.min(have, most)
    while #shown < count and bytes < max_bytes do
        local part = shorten(redis.call('LRANGE', KEYS[3], -#shown - math.min(size, count - #shown), -#shown - 1))
        if #part == 0 then break end
        for i = #part, 1, -1 do
            bytes = bytes + #part[i]
            shown[#shown + 1] = part[i]
        end
        size = math.max(1, math.min(64, math.floor((max_bytes - bytes) * #shown / (bytes + 1))))
    end
    for i = #shown, 1, -1 do entries[#entries + 1] = shown[i] end
end
if word then redis.call('SET', KEYS[4], word .. ' ' .. limit .. ' ' .. have .. ' ' .. failures) end
return {'ok', redis.call('LLEN', KEYS[2]), entries}
