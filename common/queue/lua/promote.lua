-- promote.lua - due jobs go to their ready lists.
--
-- KEYS: 1 lease  2 delayed  3..10 ready by queue number  11..18 wake by queue number
-- ARGV: 1 lease token  2 most jobs  3..10 names of the queues by number
-- Returns {'ok', jobs moved, ms to the next due job or -1} or {'deposed'}.
--
-- Due jobs go to the back of their list, earliest first.  A score that ends in
-- .5 marks a parked or given-back job: it goes to the front, earliest foremost.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'deposed'} end
local now = now_ms()
local due = redis.call('ZRANGE', KEYS[2], '-inf', now + 0.5, 'BYSCORE', 'LIMIT', 0, ARGV[2], 'WITHSCORES')
local number, back, front, unknown = {}, {}, {}, {}
for q = 1, 8 do number[ARGV[2 + q]] = q end
for i = 1, #due, 2 do
    local queue, id = string.match(due[i], '^([^/]+)/(.+)$')
    local q = number[queue]
    if not q then
        unknown[#unknown + 1] = now + 60000 -- of a newer program: look again later
        unknown[#unknown + 1] = due[i]
    else
        append(tonumber(due[i + 1]) % 1 == 0 and back or front, q, id)
    end
end
if #due > 0 then redis.call('ZREMRANGEBYRANK', KEYS[2], 0, #due / 2 - 1) end
zadd(KEYS[2], unknown)
enqueue(back, 3, 11, false)
enqueue(front, 3, 11, true)
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
return {'ok', #due / 2, first[2] and math.max(0, math.floor(first[2]) - now) or -1}
