-- chunks.lua - pieces of streamed answers, of many jobs.
--
-- KEYS: the streams fl:{0}:chunks:<id>
-- ARGV: 1 most entries of one (about)  2 ms that it is kept from now
--       then per stream: n, then the n words of the entry: names and values
-- Returns one letter per stream: k written, e the key is of another type.
local a, out = 3, {}
for i, key in ipairs(KEYS) do
    local n = tonumber(ARGV[a])
    local reply = redis.pcall('XADD', key, 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, a + 1, a + n))
    local bad = type(reply) == 'table' and reply.err
    if not bad then redis.call('PEXPIRE', key, ARGV[2]) end
    out[i] = bad and 'e' or 'k'
    a = a + n + 1
end
return table.concat(out)
