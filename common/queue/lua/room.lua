-- room.lua - waiting rooms: postponed jobs, in the order in which they are called back.
--
-- KEYS: 1 rooms that are not empty (zset: name -> when the last entry came)  2 budget (see
--       budget.lua)  3.. rooms (zset: entry -> place)
-- ARGV: 1 most entries of a room  2 ms that a room is kept after the last entry came  3 most rooms
--       then per room: name, last place to hand out, most entries to hand out, the sum that had no
--       room ('': none), what was spent and reserved of it then, n, then n times place, entry
-- Returns per room {entries left, entry, place, entry, place, ...}: the first ones up to the last
-- place.  They leave the room.
--
-- Money may come back after a job was refused and before its entry comes: nobody finds the entry
-- then.  So when less of the sum is taken now, one entry is handed out at least.
--
-- An entry is a hint: its job stands in `delayed` and comes at its own time when the hint is lost.
-- So an answer that is lost, a room that is full or a room that is gone loses no job.
local call, a, out, now = redis.call, 4, {}, now_ms()

local function enter(room, n)
    local entries = {}
    for i = 1, 2 * n do entries[i] = ARGV[a + i - 1] end
    a = a + 2 * n
    zadd(room, entries)
    call('ZREMRANGEBYRANK', room, ARGV[1], -1)
    call('PEXPIRE', room, ARGV[2])
end

local function has_more_room(sum, taken)
    local value = sum ~= '' and call('HGET', KEYS[2], sum) or ''
    local spent, reserved = string.match(value or '', '^(%d+) (%d+) ')
    return sum ~= '' and (spent or 0) + (reserved or 0) < tonumber(taken)
end

local function hand_out(room, answer, last, most)
    local found, ids = call('ZRANGE', room, '-inf', last, 'BYSCORE', 'LIMIT', 0, most, 'WITHSCORES'), {}
    for i = 1, #found do answer[i + 1] = found[i] end
    for i = 1, #found, 2 do ids[#ids + 1] = found[i] end
    if #ids > 0 then call('ZREM', room, unpack(ids)) end
end

for k = 3, #KEYS do
    local room, name, last = KEYS[k], ARGV[a], ARGV[a + 1]
    local sum, taken = ARGV[a + 3], ARGV[a + 4]
    local most, entries, answer = tonumber(ARGV[a + 2]), tonumber(ARGV[a + 5]), {0}
    a = a + 6
    if entries > 0 then enter(room, entries) end
    if most == 0 and has_more_room(sum, taken) then last, most = 'inf', 1 end
    if most > 0 then hand_out(room, answer, last, most) end
    answer[1] = call('ZCARD', room)
    if answer[1] == 0 then
        call('ZREM', KEYS[1], name)
    elseif entries > 0 then
        call('ZADD', KEYS[1], now, name)
    end
    out[#out + 1] = answer
end
call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[3])
call('PEXPIRE', KEYS[1], ARGV[2])
return out
