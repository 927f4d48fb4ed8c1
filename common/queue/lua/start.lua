-- start.lua - claimed ids become active jobs of this worker.
--
-- KEYS: 1 workers  2 active ids of this worker  3.. records
-- ARGV: 1 worker id  2 token (8 of the worker's tag, 8 of this call)  3.. ids
-- Returns {'ok', now, record or number, ...} or {'gone'}.
--       a record is returned as it was before; the caller applies the same
--       change (state, tnum + 1, token, started = now).  When the answer to an
--       equal call was lost, it already carries the token.
--       0: dropped (missing, ended, not due, or active elsewhere)
--       nil: it runs here already (its id lay twice in a list, or an answer was lost)
--       its queue's number (99: unknown): ready, and written by a newer program;
--       untouched, and still among the active ids, for giveback.lua
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return {'gone'} end
local now = now_ms()
local now_hex, token = hex11(now), ARGV[2]
local tag, out, dropped = string.sub(token, 1, 8), {'ok', now}, {}
for i = 3, #KEYS do
    local rec = redis.call('GET', KEYS[i])
    local answer = 0
    if rec then
        local version, state = string.sub(rec, 1, 2), string.sub(rec, 3, 3)
        if version > '01' then
            local queue = tonumber(string.sub(rec, 105, 106), 16) or 0
            answer = state == 'r' and (queue > 0 and queue or 99) or 0
        elseif state == 'r' and string.sub(rec, 71, 81) <= now_hex then
            local tnum = string.format('%06x', tonumber(string.sub(rec, 5, 10), 16) + 1)
            redis.call('SETRANGE', KEYS[i], '2', 'a' .. string.sub(rec, 4, 4) .. tnum .. token .. now_hex)
            answer = rec
        elseif state == 'a' and string.sub(rec, 11, 26) == token then
            answer = rec
        elseif state == 'a' and string.sub(rec, 11, 18) == tag then
            answer = false -- an id that lay twice in the list; this worker runs it
        end
    end
    if answer == 0 then dropped[#dropped + 1] = ARGV[i] end
    out[#out + 1] = answer
end
if #dropped > 0 then redis.call('SREM', KEYS[2], unpack(dropped)) end
return out
