-- heartbeat.lua - a worker says that it lives, and hears what it must know.
--
-- KEYS: 1 workers  2 cancels  3 scale  4 stops  5 catalogues  6 routes  7 health
-- ARGV: 1 worker id  2 what it is (JSON with its counter)  3 '1': register, '0': must be registered
--       4 '1': it must know the health of the routes
-- Returns {'ok', now, {cancelled id, ...}, {group, processes, ...}, {fingerprint, stop, ...},
--   {provider, stamp of its catalogue, ...}, digest of the routes ('' without any),
--   and if asked for {route, record, ...} of the health} or {'gone'}.
-- A key that operators may write, and that is of another type, is as if it were empty: without
-- heartbeats the whole fleet would stand still.
if ARGV[3] == '0' and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return {'gone'} end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
local function read(command, key)
    local all = redis.pcall(command, key)
    return all.err and {} or all
end
local function digest_of(routes)
    if routes.err then return 'unreadable' end
    return #routes > 0 and redis.sha1hex(table.concat(routes, '\n')) or ''
end
return {'ok', now_ms(), read('HKEYS', KEYS[2]), read('HGETALL', KEYS[3]), read('HGETALL', KEYS[4]),
    read('HGETALL', KEYS[5]), digest_of(redis.pcall('HGETALL', KEYS[6])),
    ARGV[4] == '1' and read('HGETALL', KEYS[7]) or nil}
