-- flight.lua - the calls that a process makes for the fleet: renewed, ended, or marked.
--
-- KEYS: the flights (string: who makes the call, or a mark that says how it ended)
-- ARGV per flight: its token; '=' renew, '' end, else the mark to leave; ms that it lives
-- Returns one letter per flight: y done, n it is another's by now, or nobody's.
local out = {}
for k, key in ipairs(KEYS) do
    local token, word, ms = ARGV[3 * k - 2], ARGV[3 * k - 1], ARGV[3 * k]
    if redis.pcall('GET', key) ~= token then
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
