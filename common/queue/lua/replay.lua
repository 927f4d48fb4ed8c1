-- replay.lua - dead jobs run again, from the beginning, as their next run.
--
-- KEYS: 1 dead  2..9 ready by queue number  10..17 wake by queue number  18.. records
-- ARGV: per job: id, expected tnum and token (22), queue number, new record
-- Returns one letter per job: k written, s not as expected (replayed already, or gone).
local k, a, out, lists = 18, 1, {}, {}
while ARGV[a] do
    if redis.call('GETRANGE', KEYS[k], @[tnum-token]) == ARGV[a + 1] then
        redis.call('SET', KEYS[k], ARGV[a + 3])
        redis.call('ZREM', KEYS[1], ARGV[a])
        append(lists, tonumber(ARGV[a + 2]), ARGV[a])
        out[#out + 1] = 'k'
    else
        out[#out + 1] = 's'
    end
    k = k + 1
    a = a + 4
end
enqueue(lists, 2, 10, false)
return table.concat(out)
