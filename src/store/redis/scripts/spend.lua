-- KEYS: the budget. ARGV: limit, length of the window in ms, cost, time to keep it in ms, now in ms or ''.
-- Answers {1, units left, ms until the window ends}, or {0, ms until it would be granted, ms until the window ends}.

local limit, length, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local at = now(ARGV[5])
local window = read(KEYS[1])
turn_to(window, math.floor(at / length))
local elapsed = elapsed_at(window, length, at)
local used = used_at(window, length, elapsed)

local answer
if used + cost <= limit then
  window.current = window.current + cost
  answer = { 1, limit - used - cost, length - elapsed }
else
  answer = { 0, wait(window, length, elapsed, math.max(limit - cost, 0)), length - elapsed }
end
write(KEYS[1], window, ARGV[4])
return answer
