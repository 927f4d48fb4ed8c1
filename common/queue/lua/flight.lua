-- flight.lua - the calls that a process makes for the fleet: renewed, ended, or marked.
--
-- KEYS: the flights (string: who makes the call, or a mark that says how it ended)
-- ARGV: 1 who asks, then per flight: '=' renew, '' end, else the mark to leave; ms that it lives
-- Returns one letter per flight: y done, n it is another's by now, or nobody's.
local out = {}
for k, key in ipairs(KEYS) do
    local word, ms = ARGV[2 * k], ARGV[2 * k + 1]
    if redis.pcall('GET', key) ~= ARGV[1] then
        out[k] = 'n'
    else
        out[k] = 'y'
        if word == '=' then
            redis.call('PEXPIRE', key, ms)
        elseif word == '' then
            redis.call('DEL', key)
        else
            redis.call('SET', key, word, 'PX', ms)
        end
    end
end
return table.concat(out)
