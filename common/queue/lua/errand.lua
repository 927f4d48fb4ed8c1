-- errand.lua - jobs that the scheduler makes itself: store and enqueue them, once.
--
-- KEYS: 1 lease  2 errands (hash: what it is about -> how far it was made)
--       3 workers  4 ready  5 wake: of the queue of these jobs  6.. job records
-- ARGV: 1 lease token  2 field of errands  3 what it must hold ('' nothing)  4 what it becomes
--       5 '1': only when a worker is registered  6.. per job: id, record
-- Returns {'ok', jobs made}, {'moved', what the field holds}, {'nobody'} or {'deposed'}.
--
-- Progress and jobs are written together, so whoever dies in between, none is made twice or
-- left out; and an id whose record is still there is not made again.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'deposed'} end
local at = redis.call('HGET', KEYS[2], ARGV[2]) or ''
if at ~= ARGV[3] then return {'moved', at} end
if ARGV[5] == '1' and redis.call('HLEN', KEYS[3]) == 0 then return {'nobody'} end
local ids = {}
for i = 6, #ARGV, 2 do
    if redis.call('SET', KEYS[6 + (i - 6) / 2], ARGV[i + 1], 'NX') then ids[#ids + 1] = ARGV[i] end
end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
if #ids > 0 then
    redis.call('LPUSH', KEYS[4], unpack(ids))
    ring(KEYS[5])
end
return {'ok', #ids}
