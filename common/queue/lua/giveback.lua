-- giveback.lua - claimed ids that were not started go back to their lists.
--
-- KEYS: 1 active ids of the worker  2..9 ready by queue number  10..17 wake by queue number
--       18.. records
-- ARGV: 1 'front' or 'back' of their lists  2.. per job: id, queue number
-- Returns how many went back; others were not held, or are active here under another claim: an id
--       may have been in its list twice.
local lists, moved, tag = {}, 0, string.sub(KEYS[1], -8)

local function is_active(key)
    local held = redis.pcall('GETRANGE', key, @[state-token])
    return type(held) == 'string' and string.sub(held, 1, 1) == 'a' and string.sub(held, 9, 16) == tag
end

for i = 18, #KEYS do
    local a = 2 * (i - 17)
    if not is_active(KEYS[i]) and redis.call('SREM', KEYS[1], ARGV[a]) == 1 then
        append(lists, tonumber(ARGV[a + 1]), ARGV[a])
        moved = moved + 1
    end
end
enqueue(lists, 2, 10, ARGV[1] == 'front')
return moved
