-- retime.lua - postponed jobs come back at another time (worker/claims/rooms.h).
--
-- KEYS: 1 delayed  2 bell  3.. records
-- ARGV: per record: how it stands in delayed ("<queue>/<id>"), ms from now (0: at once)
-- Returns a letter per record: 1 it waited there still, 0 it came back already, or ended.
local now, moved, out, at_once = now_ms(), {}, {}, false
for i = 1, #ARGV, 2 do
    local record, in_ms = KEYS[(i + 1) / 2 + 2], tonumber(ARGV[i + 1])
    out[#out + 1] = '0'
    local due = redis.call('ZSCORE', KEYS[1], ARGV[i])
    if due and tonumber(due) > now and redis.pcall('GETRANGE', record, @[state]) == 'r' then
        redis.call('SETRANGE', record, @=due_ms, hex11(now + in_ms))
        moved[#moved + 1] = string.format('%.0f.5', now + in_ms)
        moved[#moved + 1] = ARGV[i]
        at_once = at_once or in_ms == 0
        out[#out] = '1'
    end
end
zadd(KEYS[1], moved)
if at_once and redis.call('EXISTS', KEYS[2]) == 0 then redis.call('LPUSH', KEYS[2], '1') end
return table.concat(out)
