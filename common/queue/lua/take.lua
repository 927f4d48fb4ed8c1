-- take.lua - take intake entries in hand, or show what is in hand already.
--
-- KEYS: 1 lease  2 intake  3 taken
-- ARGV: 1 lease token  2 most entries  3 most bytes  4 longer entries are cut to this
-- Returns {'ok', entries left in intake, {entries, newest first}} or {'deposed'}.
--
-- `taken` is emptied only by submit, so what a dead scheduler had in hand is
-- what the next one is shown first.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'deposed'} end
local most, max_bytes, cut = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local have, bytes, size = redis.call('LLEN', KEYS[3]), 0, 1

local function shorten(entries)
    for i, entry in ipairs(entries) do
        if #entry > cut then entries[i] = string.sub(entry, 1, cut) end
    end
    return entries
end

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
        -- as many as fit if they are like those before: huge ones come one by one
        size = math.max(1, math.min(64, math.floor((max_bytes - bytes) * have / (bytes + 1))))
    end
end
local entries = have > 0 and shorten(redis.call('LRANGE', KEYS[3], -math.min(have, most), -1)) or {}
return {'ok', redis.call('LLEN', KEYS[2]), entries}
