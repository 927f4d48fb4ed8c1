-- bury.lua - forget a worker once nothing is active under its name, and none of its calls noted.
--
-- KEYS: 1 guard  2 workers  3 active ids of that worker  4 its calls (see budget.lua)
-- ARGV: 1 what the guard must hold ('' not asked)  2 worker id
--       3 its counter document when it was found dead ('' any): it may have come back
--       4 ids that may stay, for a newer program (or none)
-- Returns 'ok', 'busy' (ids or calls are left), 'alive' or 'deposed'.
if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'deposed' end
if ARGV[3] ~= '' and redis.call('HGET', KEYS[2], ARGV[2]) ~= ARGV[3] then return 'alive' end
if redis.call('SCARD', KEYS[3]) > tonumber(ARGV[4] or 0) then return 'busy' end
local calls = redis.pcall('HLEN', KEYS[4])
if type(calls) == 'number' and calls > 0 then return 'busy' end
redis.call('HDEL', KEYS[2], ARGV[2])
return 'ok'
