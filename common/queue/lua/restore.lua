-- restore.lua - jobs that nothing names are named again, and the team is alerted.
--
-- KEYS: 1 lease  2 delayed  3 bell  4 alerts  5 alerted  6..13 ready by queue number
--       14..21 wake by queue number, then per job: record, active ids of the worker that runs it
-- ARGV: 1 lease token  2 ms in which the same alert is not repeated
--       then per job: id, expected state, tnum and token (23), queue number, queue name
-- Returns {'ok', one letter per job} or {'deposed'}.
--       k named again  n something names it  s its record has changed
--
-- A ready job goes to the front of its list, or to delayed when it is not due.  An active one goes
-- to the active ids of its worker, which gives back what it does not run; when there is no such
-- worker, the sweep of dead workers' ids recovers it.  A list is searched at both ends only, where
-- an id is that has moved there just now: one hint too many does no harm, as the record decides.
local ENDS = 1000
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'deposed'} end
local now, k, out, front, due_args, earliest, examples = now_ms(), 22, {}, {}, {}, nil, {}

local function is_listed(list, id)
    return redis.call('LPOS', list, id, 'MAXLEN', ENDS) or redis.call('LPOS', list, id, 'RANK', -1, 'MAXLEN', ENDS)
end

local function restore(id, header, q, queue, active)
    if string.sub(header, @state) == 'a' then return redis.call('SADD', active, id) == 1 end
    if redis.call('ZSCORE', KEYS[2], queue .. '/' .. id) or is_listed(KEYS[5 + q], id) then return false end
    local due = tonumber(string.sub(header, @due_ms), 16)
    if due > now then
        due_args[#due_args + 1] = string.format('%.0f.5', due)
        due_args[#due_args + 1] = queue .. '/' .. id
        earliest = math.min(earliest or due, due)
    else
        append(front, q, id)
    end
    return true
end

for a = 3, #ARGV, 4 do
    local id, header = ARGV[a], redis.pcall('GETRANGE', KEYS[k], '0', HEADER - 1)
    local same = type(header) == 'string' and string.sub(header, @state) .. string.sub(header, @tnum-token) == ARGV[a + 1]
    if not same then
        out[#out + 1] = 's'
    elseif restore(id, header, tonumber(ARGV[a + 2]), ARGV[a + 3], KEYS[k + 1]) then
        out[#out + 1] = 'k'
        examples[#examples + 1] = id
    else
        out[#out + 1] = 'n'
    end
    k = k + 2
end
enqueue(front, 6, 14, true)
zadd(KEYS[2], due_args)
if earliest and redis.call('EXISTS', KEYS[3]) == 0 then redis.call('LPUSH', KEYS[3], '1') end
if #examples > 0 then
    alert_once(KEYS[4], KEYS[5], now, 'job_unnamed', 'jobs', '{"code":"job_unnamed","subject":"jobs","message":"' ..
        #examples .. ' unfinished jobs were in no list, timer or worker and are put back: ' ..
        table.concat(examples, ', ', 1, math.min(#examples, 5)) .. (#examples > 5 and ', ...' or '') ..
        '","at":' .. string.format('%.0f', now) .. '}', ARGV[2])
end
return {'ok', table.concat(out)}
