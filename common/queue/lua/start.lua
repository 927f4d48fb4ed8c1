-- start.lua - claimed ids become active jobs of this worker.
--
-- KEYS: 1 workers  2 active ids of this worker  3 delayed  4 paused  5.. records
-- ARGV: 1 worker id  2 token (8 of the worker's tag, 8 of this call)
--       3 bytes of a record's key before the id
--       4 'guess': there is one id, and this worker may not have claimed it; then 0
-- Returns {'ok', now, record or number, ...} or {'gone'}.
--       a record is returned as it was before; the caller applies the same
--       change (state, tnum + 1, token, started = now).  When the answer to an
--       equal call was lost, it already carries the token.
--       0: dropped (missing, ended, or active elsewhere; or not due: then it is in delayed)
--       nil: it runs here already (its id lay twice in a list, or an answer was lost)
--       its queue's number (99: unknown): ready, and written by a newer program;
--       minus that number: ready, and its queue is paused;
--       both untouched, and still among the active ids, for giveback.lua
--
-- A job that is not due lay in a list all the same: its id was there twice, or Redis's clock
-- was set back (another host took over).  Then nothing else may name it, so delayed does.
local call, sub = redis.call, string.sub
if call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return {'gone'} end
if ARGV[4] and call('SISMEMBER', KEYS[2], sub(KEYS[5], ARGV[3] + 1)) == 0 then return {'ok', 0, 0} end
local now = now_ms()
local now_hex, token = hex11(now), ARGV[2]
local paused = call('EXISTS', KEYS[4]) == 1
local out, dropped, started, changes = {'ok', now}, nil, nil, {}

-- Nothing is started: why not?
local function refuse(key, rec)
    local state = rec and sub(rec, @state)
    if not rec then return 0 end
    if sub(rec, @<state) > '01' or not string.find(TYPES, sub(rec, @type), 1, true) then
        local queue = tonumber(sub(rec, @queue), 16) or 0
        return state == 'r' and (queue > 0 and queue or 99) or 0
    end
    if state == 'r' then -- it waits for its time, wherever its id came from
        local queue, due = string.match(QUEUES, sub(rec, @queue) .. '=(%S+)'), tonumber(sub(rec, @due_ms), 16)
        call('ZADD', KEYS[3], 'NX', string.format('%.0f', due), queue .. '/' .. sub(key, ARGV[3] + 1))
    end
    if state ~= 'a' then return 0 end
    if sub(rec, @token) == token then return rec end
    if sub(rec, 11, 18) == sub(token, 1, 8) then return false end
    return 0
end

local function may_start(rec)
    return rec and sub(rec, @state) == 'r' and sub(rec, @<state) <= '01' and sub(rec, @due_ms) <= now_hex and
        string.find(TYPES, sub(rec, @type), 1, true)
end

local function is_paused(rec)
    return redis.pcall('HEXISTS', KEYS[4], string.match(QUEUES, sub(rec, @queue) .. '=(%S+)')) == 1
end

local function start(key, rec)
    -- what is written over state, flag, tnum, token and started: by the old flag and tnum
    local old = sub(rec, @flags-tnum)
    local change = changes[old]
    if not change then
        change = 'a' .. sub(old, 1, 1) .. next_tnum(sub(old, 2)) .. token .. now_hex
        changes[old] = change
    end
    call('SETRANGE', key, @=state, change)
    started = started or {}
    started[#started + 1] = sub(key, ARGV[3] + 1)
    return rec
end

local records = call('MGET', unpack(KEYS, 5))
for i = 1, #records do
    local key, rec = KEYS[i + 4], records[i]
    local answer
    if not may_start(rec) then
        answer = refuse(key, rec)
    elseif paused and is_paused(rec) then
        answer = -tonumber(sub(rec, @queue), 16)
    else
        answer = start(key, rec)
    end
    if answer == 0 then
        dropped = dropped or {}
        dropped[#dropped + 1] = sub(key, ARGV[3] + 1)
    end
    out[i + 2] = answer
end
if dropped then call('SREM', KEYS[2], unpack(dropped)) end
-- claim.lua put them among ours; what ended, recovered or gave back an earlier claim since may have
-- taken them out
if started then call('SADD', KEYS[2], unpack(started)) end
return out
