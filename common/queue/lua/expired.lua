-- expired.lua - which jobs have expired, and when the next one does.
--
-- KEYS: 1 expiring
-- ARGV: 1 most ids
-- Returns {ms to the next expiry, 0 when it has passed, -1 for none, {ids that have expired, earliest first}}.
local now = now_ms()
local ids = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1])
local first = redis.call('ZRANGE', KEYS[1], #ids, #ids, 'WITHSCORES')
return {first[2] and math.max(0, math.floor(first[2]) - now) or -1, ids}
