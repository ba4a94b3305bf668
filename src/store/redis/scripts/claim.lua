-- Keeps ARGV[3] under the key, unless something is there that is not over yet. Values begin with when they are over, in
-- ms, and a colon.
--
-- KEYS: the handshake. ARGV: now in ms, time to keep it in ms, the value. Answers 1 when it was free, else 0.

local kept = redis.call('GET', KEYS[1])
if kept and tonumber(string.match(kept, '^(%-?%d+):')) > tonumber(ARGV[1]) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[2])
return 1
