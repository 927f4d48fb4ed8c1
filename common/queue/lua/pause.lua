-- pause.lua - workers take nothing more from a queue, or take from it again.
--
-- KEYS: 1 paused  2 wake of that queue
-- ARGV: 1 queue  2 ms since when it is paused, '' to end the pause
-- Returns 'ok'.  The end of a pause wakes a worker each time, as an answer may have been lost.
if ARGV[2] ~= '' then
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
else
    redis.call('HDEL', KEYS[1], ARGV[1])
    ring(KEYS[2])
end
return 'ok'
