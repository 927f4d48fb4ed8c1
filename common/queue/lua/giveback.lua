-- giveback.lua - claimed ids that this program must not start go back to their lists.
--
-- KEYS: 1 active ids of the worker  2..9 ready by queue number  10..17 wake by queue number
-- ARGV: per job: id, queue number
-- Returns how many went back (to the back of their lists); others were not held.
local lists, moved = {}, 0
for a = 1, #ARGV, 2 do
    if redis.call('SREM', KEYS[1], ARGV[a]) == 1 then
        append(lists, tonumber(ARGV[a + 1]), ARGV[a])
        moved = moved + 1
    end
end
enqueue(lists, 2, 10, false)
return moved
