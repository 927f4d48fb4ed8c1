-- alert.lua - tell the team, once per subject and period.
--
-- KEYS: 1 alerts  2 alerted (hash: code and subject -> when last told)
-- ARGV: 1 code  2 subject  3 document  4 ms in which the same is not told again
-- Returns 1 when it was told, 0 when it had been.
return alert_once(KEYS[1], KEYS[2], now_ms(), ARGV[1], ARGV[2], ARGV[3], ARGV[4])
