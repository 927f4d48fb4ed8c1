-- drop.lua - ids that a dead worker has nothing to do with leave its active set.
--
-- KEYS: 1 active ids of the worker  2.. records
-- ARGV: the ids, in the order of the records
-- Returns how many left.  Those stay whose job is ready, or active under that worker: it was not
-- dead, and has claimed or started them since their records were read.
local gone = {}
for i, id in ipairs(ARGV) do
    if not stays(KEYS[i + 1], KEYS[1]) then gone[#gone + 1] = id end
end
return #gone > 0 and redis.call('SREM', KEYS[1], unpack(gone)) or 0
