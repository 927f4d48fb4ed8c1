-- cached.lua - all cache entries of the fleet together stay within their bound.
--
-- KEYS: 1 cached (zset: "<bytes> <key>" by the time it ends)  2 their bytes together
-- ARGV: 1 most bytes, then per entry that was written: bytes, ms it lives, its key
-- Returns the keys to remove, those that end first first; at most 1000.
--
-- Both keys end with the last entry: when nothing is written any more, nobody else clears them away.
-- An entry that was written again with another size counts twice until the first has ended.
local call, now = redis.call, now_ms()
local sum, out = tonumber(call('GET', KEYS[2]) or '0'), {}

local function size(member)
    return tonumber(string.match(member, '^(%d+) ') or '0')
end

local ended = call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now), 'LIMIT', 0, 1000)
if #ended > 0 then
    for _, member in ipairs(ended) do sum = sum - size(member) end
    call('ZREMRANGEBYRANK', KEYS[1], 0, #ended - 1)
end
for a = 2, #ARGV, 3 do
    local ends = string.format('%.0f', now + ARGV[a + 1])
    if call('ZADD', KEYS[1], ends, ARGV[a] .. ' ' .. ARGV[a + 2]) == 1 then sum = sum + ARGV[a] end
end
while sum > tonumber(ARGV[1]) and #out < 1000 do
    local member = call('ZPOPMIN', KEYS[1])[1]
    if not member then break end
    sum = sum - size(member)
    out[#out + 1] = string.match(member, '^%d+ (.*)$')
end
local last = call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
if not last then sum = 0 end
call('SET', KEYS[2], string.format('%.0f', math.max(sum, 0)))
for _, key in ipairs(last and KEYS or {}) do call('PEXPIREAT', key, last) end
return out
