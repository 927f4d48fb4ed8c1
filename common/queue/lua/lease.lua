-- lease.lua - hold, renew or give up the scheduler's lease.
--
-- KEYS: 1 lease
-- ARGV: 1 token: its last 8 characters count the connections of that scheduler
--       2 ms it is held; 0 gives it up
-- Returns 'held', 'taken' (it was free and is now held), 'other' or 'free' (given up).
-- A scheduler that comes on a new connection goes on holding it, by its new token.
local holder = redis.pcall('GET', KEYS[1])
if type(holder) == 'table' then -- it is no string
    redis.call('DEL', KEYS[1])
    holder = false
end
if tonumber(ARGV[2]) == 0 then
    if holder == ARGV[1] then redis.call('DEL', KEYS[1]) end
    return 'free'
end
if holder == ARGV[1] then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return 'held'
end
local own = holder and #ARGV[1] > 8 and string.sub(holder, 1, -9) == string.sub(ARGV[1], 1, -9) and holder < ARGV[1]
if holder and not own then return 'other' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return own and 'held' or 'taken'
