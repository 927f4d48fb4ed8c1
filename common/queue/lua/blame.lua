-- blame.lua - a crash is counted on a job that is no longer its dead worker's.
--
-- KEYS: 1 record
-- ARGV: 1 expected tnum and token (22)  2 crashes, as the record has them
-- Returns 'ok', or 'moved' when the job is elsewhere by now: look again.
--
-- No transition: whoever holds the job keeps it.  The number only grows: an equal call that comes late
-- does not undo a crash that was counted since.
if redis.call('GETRANGE', KEYS[1], @[tnum-token]) ~= ARGV[1] then return 'moved' end
if redis.call('GETRANGE', KEYS[1], @[crashes]) < ARGV[2] then redis.call('SETRANGE', KEYS[1], @=crashes, ARGV[2]) end
return 'ok'
