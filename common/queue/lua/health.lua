-- health.lua - what a process saw of the routes is added up, a shift is taken from one, all hear all.
--
-- KEYS: 1 health (hash: route -> "head|tally|tally before", see common/route/health_state.h)
--       2 alerts  3 alerted (see alert.lua)
-- ARGV: 1 most routes  2 ms after which a route that nobody calls, or probes, makes room
--       then eight per route: its name, tally to add, seq that the proposed head follows ('' none),
--       that head, what becomes of the tallies then: 'keep', 'turn', 'clear'; and the alert that
--       tells of it: code ('' none), document, ms in which the same is not told again
-- Returns {now, a letter per route, {route, record, ...}}
--   y done  n the head has changed meanwhile, the proposal was passed over  f no room for that route
--
-- The alert is written here, so that no shift is untold whoever dies.
--
-- A tally is words name=number, which are added; but a row of failures (s, begun at b) ends where
-- somebody had a good answer later (g).
local now, letters = now_ms(), {}

local function words(text)
    local t = {}
    for name, n in string.gmatch(text, '(%a%d*)=(%d+)') do t[name] = tonumber(n) end
    return t
end

local function text(t)
    local list = {}
    for name, n in pairs(t) do list[#list + 1] = string.format('%s=%.0f', name, n) end
    return table.concat(list, ' ')
end

local function add(tally, part)
    local t, p = words(tally), words(part)
    local s, b = p.s, p.b
    local good = math.max(t.g or 0, p.g or 0)
    p.s, p.b, p.g = nil, nil, nil
    for name, n in pairs(p) do t[name] = (t[name] or 0) + n end
    t.g = good > 0 and good or nil
    if t.b and good > t.b then t.s, t.b = nil, nil end
    if s and b and b >= good then
        t.s, t.b = (t.s or 0) + s, math.min(t.b or b, b)
    end
    return text(t)
end

-- Has any call of it ever been answered well?  (norm_calls is the 14th word of the head.)
local function was_good(record)
    local calls = string.match(record, '^' .. string.rep('%S+ ', 13) .. '(%d+)')
    return calls and calls ~= '0' or string.find(record, '[^%w]g=%d') ~= nil
end

-- Names come from users: without room, one that never worked goes.
local function has_room()
    if redis.call('HLEN', KEYS[1]) < tonumber(ARGV[1]) then return true end
    local all, forgotten, bad = redis.call('HGETALL', KEYS[1]), false, nil
    for i = 1, #all, 2 do
        local closed = string.match(all[i + 1], '^%d+ closed (%d+)') -- when it was called last
        local probe = string.match(all[i + 1], '^%d+ [%a_]+ %d+ %d+ %d+ (%d+) ') -- it might have been
        if now - (closed or probe or now) > tonumber(ARGV[2]) then
            redis.call('HDEL', KEYS[1], all[i])
            forgotten = true
        elseif not was_good(all[i + 1]) then
            bad = all[i]
        end
    end
    if not forgotten and bad then return redis.call('HDEL', KEYS[1], bad) == 1 end
    return forgotten
end

local function hear(name, part, seq, new, fate)
    local record = redis.call('HGET', KEYS[1], name)
    local head, tally, before = string.match(record or '', '^(%d[^|]*)|([^|]*)|([^|]*)$')
    local letter = 'y'
    if not record and not has_room() then return 'f' end
    head, tally, before = head or '0', tally or '', before or ''
    if part ~= '' then tally = add(tally, part) end
    if seq ~= '' and seq ~= string.match(head, '^%d+') then
        letter = 'n'
    elseif seq ~= '' then
        head = new
        if fate == 'turn' then
            local t = words(tally)
            before, tally = tally, text({s = t.s, b = t.b, g = t.g})
        elseif fate == 'clear' then
            before, tally = '', ''
        end
    end
    redis.call('HSET', KEYS[1], name, head .. '|' .. tally .. '|' .. before)
    return letter
end

for i = 3, #ARGV, 8 do
    local letter, code = hear(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]), ARGV[i + 5]
    if letter == 'y' and code ~= '' then
        alert_once(KEYS[2], KEYS[3], now, code, ARGV[i], ARGV[i + 6], ARGV[i + 7])
    end
    letters[#letters + 1] = letter
end
return {now, table.concat(letters), redis.call('HGETALL', KEYS[1])}
