-- stop.lua - a provider key must not be used now; may this call probe it?
--
-- KEYS: 1 stops
-- ARGV: 1 key fingerprint  2 'set' | 'probe' | 'clear'  3 code that stopped it  4 ms between probes
-- Returns 'stopped', 'probe' (this caller may try once), 'free'.
-- A stop is "<since ms> <next probe ms> <code>".
if ARGV[2] == 'clear' then
    redis.call('HDEL', KEYS[1], ARGV[1])
    return 'free'
end
local now, stop = now_ms(), redis.call('HGET', KEYS[1], ARGV[1])
local since, probe, code = string.match(stop or '', '^(%d+) (%d+) (%S+)$')
if ARGV[2] == 'set' then
    redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %.0f %s', since or now, now + ARGV[4], ARGV[3]))
    return 'stopped'
end
if not since then return 'free' end
if now < tonumber(probe) then return 'stopped' end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %.0f %s', since, now + ARGV[4], code))
return 'probe'
