-- peek.lua - headers of the records that a sweep has come to, and how far it has come.
--
-- KEYS: 1 lease  2 sweep  3.. records
-- ARGV: 1 lease token  2 where the next holder of the lease continues ('' as before)
-- Returns {'ok', header or '' per record} or {'deposed'}.
--       '': the job has ended, or there is no record
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'deposed'} end
if ARGV[2] ~= '' then redis.call('SET', KEYS[2], ARGV[2], 'PX', 86400000) end
local out = {'ok'}
for k = 3, #KEYS do
    local state = redis.pcall('GETRANGE', KEYS[k], @[state])
    local lives = state == 'r' or state == 'a' or state == 'w'
    out[k - 1] = lives and redis.call('GETRANGE', KEYS[k], '0', HEADER - 1) or ''
end
return out
