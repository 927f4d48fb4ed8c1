-- cancel.lua - ask the worker that runs a job to cut it.
--
-- KEYS: 1 record  2 cancels
-- ARGV: 1 id  2 expected tnum and token (22)
-- Returns 'ok', or 'moved' when the job is elsewhere by now: look again.
if redis.call('GETRANGE', KEYS[1], @[tnum-token]) ~= ARGV[2] then return 'moved' end
redis.call('SETRANGE', KEYS[1], @=flags, 'c')
redis.call('HSET', KEYS[2], ARGV[1], '1')
return 'ok'
