-- sooner.lua - jobs that were put off come back now: the rate grew meanwhile.
--
-- KEYS: 1 delayed  2 bell  3.. records
-- ARGV: per record: how it stands in delayed ("<queue>/<id>")
-- Returns how many waited there still; others have come back already, or ended.
local now, moved = now_ms(), {}
for i = 1, #ARGV do
    local due = redis.call('ZSCORE', KEYS[1], ARGV[i])
    if due and tonumber(due) > now and redis.pcall('GETRANGE', KEYS[i + 2], '2', '2') == 'r' then
        redis.call('SETRANGE', KEYS[i + 2], '70', hex11(now))
        moved[#moved + 1] = string.format('%.0f.5', now)
        moved[#moved + 1] = ARGV[i]
    end
end
zadd(KEYS[1], moved)
if #moved > 0 and redis.call('EXISTS', KEYS[2]) == 0 then redis.call('LPUSH', KEYS[2], '1') end
return #moved / 2
