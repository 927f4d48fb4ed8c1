-- heartbeat.lua - a worker says that it lives, and hears what it must know.
--
-- KEYS: 1 workers  2 cancels  3 scale  4 stops
-- ARGV: 1 worker id  2 what it is (JSON with its counter)  3 '1': register, '0': must be registered
-- Returns {'ok', now, {cancelled id, ...}, {group, processes, ...}, {fingerprint, stop, ...}} or {'gone'}.
if ARGV[3] == '0' and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return {'gone'} end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return {'ok', now_ms(), redis.call('HKEYS', KEYS[2]), redis.call('HGETALL', KEYS[3]), redis.call('HGETALL', KEYS[4])}
