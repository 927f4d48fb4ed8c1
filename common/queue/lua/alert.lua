-- alert.lua - tell the team, once per subject and period.
--
-- KEYS: 1 alerts  2 alerted (hash: code and subject -> when last told)
-- ARGV: 1 code  2 subject  3 document  4 ms in which the same is not told again
-- Returns 1 when it was told, 0 when it had been.
local now, field = now_ms(), ARGV[1] .. ' ' .. ARGV[2]
local last = redis.call('HGET', KEYS[2], field)
if last and now - last < tonumber(ARGV[4]) then return 0 end
redis.call('HSET', KEYS[2], field, string.format('%.0f', now))
redis.call('XADD', KEYS[1], '*', 'code', ARGV[1], 'doc', ARGV[3])
return 1
