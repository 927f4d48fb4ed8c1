-- keytypes.lua - keys of another type than they must be are deleted.
--
-- KEYS: 1 lease  2.. keys
-- ARGV: 1 lease token  then per key: its type
-- Returns {'ok', {number of a deleted key, from 1, its type, ...}} or {'deposed'}.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'deposed'} end
local deleted = {}
for i = 2, #KEYS do
    local is = redis.call('TYPE', KEYS[i]).ok
    if is ~= ARGV[i] and is ~= 'none' then
        redis.call('DEL', KEYS[i])
        deleted[#deleted + 1] = i - 1
        deleted[#deleted + 1] = is
    end
end
return {'ok', deleted}
