-- submit.lua - store checked documents, enqueue them, drop what was taken.
--
-- KEYS: 1 lease  2 taken  3 results  4 alerts  5 alerted  6 delayed  7 expiring
--       8..7+n ready lists of the n queues that are needed, 8+n..7+2n their wake lists
--       then per entry: job record, its reply list when flags has 'r', and the record of the
--       job that calls its webhook when flags has 'w'
-- ARGV: 1 lease token  2 entries to drop from the right end of taken
--       3 or the one entry to drop by value ('' none)  4 ms that an ended record is kept
--       5 ms that a reply is kept  6 prefix for the ids that are made here  7 n
--       then per entry, by its first argument:
--       'J' id flags queue (1..n) name head delay_ms run_at_ms expires_in_ms tail
--           the record is head .. due .. submitted .. expires .. tail
--       'R' id flags record result made_result
--           a refused document; flags 'o': under its own id (unless a job has it:
--           then made_result is told), else under the made id that result has
--       and with the flag 'w', behind either: queue (1..n) id head
--           of the webhook's job: its record is head .. result .. '}}}', and it is stored when
--           the document is refused
-- Returns {'ok', one letter per entry, ms to the earliest due job or -1} or {'deposed'}.
--       s stored  d same document again  c id conflict  j refused
--
-- Somebody may wait for a single job, and meanwhile the caches have gone cold: so one new job
-- that is due goes the short way, and what is out of the ordinary is one function, which makes
-- its own only when it is called.
local call, sub = redis.call, string.sub
if call('GET', KEYS[1]) ~= ARGV[1] then return {'deposed'} end
local queues, now = tonumber(ARGV[7]), now_ms()
local now_hex = hex11(now)
if ARGV[8] == 'J' and not ARGV[21] and ARGV[3] ~= '' and ARGV[14] == '0' and ARGV[15] == '0' and ARGV[16] == '0' and
    call('SET', KEYS[8 + 2 * queues], ARGV[13] .. now_hex .. now_hex .. ZERO .. ARGV[17], 'NX') then
    call('LPUSH', KEYS[8], ARGV[9])
    ring(KEYS[8 + queues], ARGV[9])
    call('LREM', KEYS[2], -1, ARGV[3])
    return {'ok', 's', -1}
end
local k, a, out, ready, due_args, conflicts = 8 + 2 * queues, 8, {}, {}, nil, 0

local function admit(id, due, expires)
    if due > now then
        due_args = due_args or {}
        due_args[#due_args + 1] = due
        due_args[#due_args + 1] = ARGV[a + 4] .. '/' .. id
    else
        append(ready, tonumber(ARGV[a + 3]), id)
    end
    if expires > 0 then call('ZADD', KEYS[7], now + expires, id) end
end

local function unusual(id, flags, key, reply, hook, times, due, expires)
    local function publish(by_id, doc)
        call('XADD', KEYS[3], '*', 'id', by_id, 'status', 'rejected', 'doc', doc)
    end

    local function answer(doc)
        if reply then -- a key of the producer's making may be of another type
            redis.pcall('LPUSH', reply, doc)
            call('PEXPIRE', reply, ARGV[5])
        end
    end

    local function call_webhook(doc)
        if not hook then return end
        local at = a + (ARGV[a] == 'J' and 10 or 6)
        local head = ARGV[at + 2]
        local body = sub(head, HEADER + 1) .. doc .. '}}}'
        call('SET', hook, sub(head, @<doc_bytes) .. string.format('%07x', #body) .. sub(head, @digest) .. body)
        append(ready, tonumber(ARGV[at]), ARGV[at + 1])
    end

    local function next_run(rec)
        return math.min(tonumber(sub(rec, @run), 16) + 1, 4095)
    end

    -- A producer that counts its ids wrongly makes thousands: the first of each hour is told.
    local function tell(id)
        local last = redis.pcall('HGET', KEYS[5], 'id_conflict')
        if type(last) == 'string' and now - last < 3600000 then return end
        redis.pcall('HSET', KEYS[5], 'id_conflict', string.format('%.0f', now))
        redis.pcall('XADD', KEYS[4], '*', 'code', 'id_conflict', 'doc',
            '{"code":"id_conflict","subject":"' .. id .. '","message":"another document was submitted under an id in use; ' ..
            'more of them in this hour are only results","at":' .. string.format('%.0f', now) .. '}')
    end

    local function conflict()
        conflicts = conflicts + 1
        local made_id = ARGV[6] .. '~' .. conflicts
        local doc = '{"id":"' .. made_id .. '","submitted_id":"' .. id .. '","run":1,"type":null,"status":"rejected",' ..
            '"attempts":0,"tenant":null,"tags":null,"model":null,"provider":null,"cached":false,"output":null,' ..
            '"usage":null,"cost_nanousd":0,"cost_usd":0,"error":{"code":"id_conflict","message":' ..
            '"id: another document was already submitted as \'' .. id .. '\'","retryable":false,' ..
            '"http_status":null,"provider_code":null},"submitted_at":' .. string.format('%.0f', now) ..
            ',"started_at":null,"finished_at":' .. string.format('%.0f', now) .. '}'
        publish(made_id, doc)
        answer(doc)
        call_webhook(doc)
        tell(id)
    end

    -- The id is known already.
    local function submit_again(head, tail)
        local old = call('GETRANGE', key, 0, HEADER - 1)
        local state = sub(old, @state)
        if state == 'j' then -- only refused documents came under this id: this one is the next run
            local run = string.format('%03x', next_run(old))
            call('SET', key, sub(head, @<run) .. run .. sub(head, @>run) .. times .. tail)
            admit(id, due, expires)
            return 's'
        end
        if sub(old, @digest) ~= sub(tail, 11, 26) then
            conflict()
            return 'c'
        end
        if reply and state ~= '' and string.find('cpfxe', state, 1, true) then
            answer(call('GETRANGE', key, HEADER + tonumber(sub(old, @doc_bytes), 16), -1))
        end
        return 'd'
    end

    local function refuse(record, result)
        local own = string.find(flags, 'o', 1, true)
        if own then
            local old = call('GETRANGE', key, 0, HEADER - 1)
            local state = sub(old, @state)
            if state == 'j' then
                if sub(old, @digest) == sub(record, @digest) then
                    answer(call('GETRANGE', key, HEADER, -1))
                    return 'd'
                end
                local run = next_run(old)
                result = string.gsub(result, '"run":1,', '"run":' .. run .. ',', 1)
                call('SET', key, sub(record, @<run) .. string.format('%03x', run) .. sub(record, @>run) .. result,
                    'PX', ARGV[4])
            elseif state ~= '' then
                own = nil
                result = ARGV[a + 5]
            else
                call('SET', key, record .. result, 'PX', ARGV[4])
            end
        end
        publish(own and id or string.match(result, '^{"id":"([^"]*)"'), result)
        answer(result)
        call_webhook(result)
        return 'j'
    end

    if ARGV[a] == 'J' then return submit_again(ARGV[a + 5], ARGV[a + 9]) end
    return refuse(ARGV[a + 3], ARGV[a + 4])
end

while ARGV[a] do
    local id, flags, key, reply, hook = ARGV[a + 1], ARGV[a + 2], KEYS[k], nil, nil
    k = k + 1
    if flags ~= '-' then
        if string.find(flags, 'r', 1, true) then
            reply = KEYS[k]
            k = k + 1
        end
        if string.find(flags, 'w', 1, true) then
            hook = KEYS[k]
            k = k + 1
        end
    end
    if ARGV[a] == 'J' then
        local expires, due = tonumber(ARGV[a + 8]), math.max(now + ARGV[a + 6], tonumber(ARGV[a + 7]))
        local times = hex11(due) .. now_hex .. (expires > 0 and hex11(now + expires) or ZERO)
        if call('SET', key, ARGV[a + 5] .. times .. ARGV[a + 9], 'NX') then
            admit(id, due, expires)
            out[#out + 1] = 's'
        else
            out[#out + 1] = unusual(id, flags, key, reply, hook, times, due, expires)
        end
        a = a + 10 + (hook and 3 or 0)
    else
        out[#out + 1] = unusual(id, flags, key, reply, hook)
        a = a + 6 + (hook and 3 or 0)
    end
end
for q = 1, queues do
    if ready[q] then
        call('LPUSH', KEYS[7 + q], unpack(ready[q]))
        ring(KEYS[7 + queues + q], #ready[q] == 1 and ready[q][1])
    end
end
local next_due = -1
if due_args then
    zadd(KEYS[6], due_args)
    local first = call('ZRANGE', KEYS[6], 0, 0, 'WITHSCORES')
    next_due = math.max(0, math.floor(first[2]) - now)
end
if ARGV[3] ~= '' then
    call('LREM', KEYS[2], -1, ARGV[3])
elseif tonumber(ARGV[2]) > 0 then
    call('LTRIM', KEYS[2], 0, -tonumber(ARGV[2]) - 1)
end
return {'ok', table.concat(out), next_due}
