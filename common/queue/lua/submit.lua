-- submit.lua - store checked documents, enqueue them, drop what was taken.
--
-- KEYS: 1 lease  2 taken  3 results  4 alerts  5 delayed  6 bell  7 expiring
--       8..15 ready by queue number  16..23 wake by queue number
--       then per entry: job record, and its reply list when flags has 'r'
-- ARGV: 1 lease token  2 entries to drop from the right end of taken
--       3 or the one entry to drop by value ('' none)  4 ms that an ended record is kept
--       5 ms that a reply is kept  6 prefix for the ids that are made here
--       then per entry, by its first argument:
--       'J' id flags queue head delay_ms run_at_ms expires_in_ms tail
--           the record is head .. due .. submitted .. expires .. tail
--       'R' id flags record result made_result
--           a refused document; flags 'o': under its own id (unless a job has it:
--           then made_result is told), else under the made id that result has
-- Returns {'ok', one letter per entry, ms to the earliest due job or -1} or {'deposed'}.
--       s stored  d same document again  c id conflict  j refused
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'deposed'} end
local ttl, reply_ttl, made = ARGV[4], ARGV[5], ARGV[6]
local now = now_ms()
local now_hex = hex11(now)
local k, a, out, ready, due_args, conflicts = 24, 7, {}, {}, {}, 0

local function publish(id, state, doc)
    redis.call('XADD', KEYS[3], '*', 'id', id, 'status', STATUS[state], 'doc', doc)
end

local function answer(reply, doc)
    if reply then -- a key of the producer's making may be of another type
        redis.pcall('LPUSH', reply, doc)
        redis.call('PEXPIRE', reply, reply_ttl)
    end
end

local function next_run(rec)
    return math.min(tonumber(string.sub(rec, 38, 40), 16) + 1, 4095)
end

local function admit(id, queue, name, due, expires)
    if due > now then
        due_args[#due_args + 1] = due
        due_args[#due_args + 1] = name .. '/' .. id
    else
        append(ready, queue, id)
    end
    if expires > 0 then redis.call('ZADD', KEYS[7], now + expires, id) end
end

local function conflict(id, reply)
    conflicts = conflicts + 1
    local made_id = made .. '~' .. conflicts
    local doc = '{"id":"' .. made_id .. '","submitted_id":"' .. id .. '","run":1,"type":null,"status":"rejected",' ..
        '"attempts":0,"tenant":null,"tags":null,"model":null,"provider":null,"cached":false,"output":null,' ..
        '"usage":null,"cost_nanousd":0,"cost_usd":0,"error":{"code":"id_conflict","message":' ..
        '"id: another document was already submitted as \'' .. id .. '\'","retryable":false,' ..
        '"http_status":null,"provider_code":null},"submitted_at":' .. string.format('%.0f', now) ..
        ',"started_at":null,"finished_at":' .. string.format('%.0f', now) .. '}'
    publish(made_id, 'j', doc)
    answer(reply, doc)
    redis.call('XADD', KEYS[4], '*', 'code', 'id_conflict', 'doc',
        '{"code":"id_conflict","subject":"' .. id .. '","message":"another document was submitted under an id in use",' ..
        '"at":' .. string.format('%.0f', now) .. '}')
end

local function submit_job(id, reply, key)
    local queue, delay, at, expires = tonumber(ARGV[a + 3]), tonumber(ARGV[a + 6]), tonumber(ARGV[a + 7]), tonumber(ARGV[a + 8])
    local due = math.max(now + delay, at)
    local head, tail = ARGV[a + 5], ARGV[a + 9]
    local times = hex11(due) .. now_hex .. (expires > 0 and hex11(now + expires) or ZERO)
    if redis.call('SET', key, head .. times .. tail, 'NX') then
        admit(id, queue, ARGV[a + 4], due, expires)
        return 's'
    end
    local old = redis.call('GETRANGE', key, 0, HEADER - 1)
    local state = string.sub(old, 3, 3)
    if state == 'j' then -- only refused documents came under this id: this one is the next run
        local run = string.format('%03x', next_run(old))
        redis.call('SET', key, string.sub(head, 1, 37) .. run .. string.sub(head, 41) .. times .. tail)
        admit(id, queue, ARGV[a + 4], due, expires)
        return 's'
    end
    if string.sub(old, 114, 129) ~= string.sub(tail, 11, 26) then
        conflict(id, reply)
        return 'c'
    end
    if reply and STATUS[state] then
        answer(reply, redis.call('GETRANGE', key, HEADER + tonumber(string.sub(old, 107, 113), 16), -1))
    end
    return 'd'
end

local function refuse(id, flags, reply, key)
    local result = ARGV[a + 4]
    local own = string.find(flags, 'o', 1, true)
    if own then
        local old = redis.call('GETRANGE', key, 0, HEADER - 1)
        local state = string.sub(old, 3, 3)
        if state == 'j' then
            if string.sub(old, 114, 129) == string.sub(ARGV[a + 3], 114, 129) then
                answer(reply, redis.call('GETRANGE', key, HEADER, -1))
                return 'd'
            end
            local run = next_run(old)
            result = string.gsub(result, '"run":1,', '"run":' .. run .. ',', 1)
            redis.call('SET', key, string.sub(ARGV[a + 3], 1, 37) .. string.format('%03x', run) ..
                string.sub(ARGV[a + 3], 41) .. result, 'PX', ttl)
        elseif state ~= '' then
            own = nil
            result = ARGV[a + 5]
        else
            redis.call('SET', key, ARGV[a + 3] .. result, 'PX', ttl)
        end
    end
    publish(own and id or string.match(result, '^{"id":"([^"]*)"'), 'j', result)
    answer(reply, result)
    return 'j'
end

while ARGV[a] do
    local id, flags, key, reply = ARGV[a + 1], ARGV[a + 2], KEYS[k], nil
    k = k + 1
    if string.find(flags, 'r', 1, true) then
        reply = KEYS[k]
        k = k + 1
    end
    if ARGV[a] == 'J' then
        out[#out + 1] = submit_job(id, reply, key)
        a = a + 10
    else
        out[#out + 1] = refuse(id, flags, reply, key)
        a = a + 6
    end
end
enqueue(ready, 8, 16, false)
local next_due = -1
if #due_args > 0 then
    zadd(KEYS[5], due_args)
    local first = redis.call('ZRANGE', KEYS[5], 0, 0, 'WITHSCORES')
    next_due = math.max(0, math.floor(first[2]) - now)
end
if ARGV[3] ~= '' then
    redis.call('LREM', KEYS[2], -1, ARGV[3])
elseif tonumber(ARGV[2]) > 0 then
    redis.call('LTRIM', KEYS[2], 0, -tonumber(ARGV[2]) - 1)
end
return {'ok', table.concat(out), next_due}
