-- Takes a slice of what is left of a budget, and gives back what was left of the slice before.
--
-- KEYS: the budget. ARGV: limit, length of the window in ms, cost, time to keep it in ms, now in ms or '', in how many
-- parts what is left is cut, the window that the slice before was of, what is left of that slice. A cost of 0 leases
-- nothing: it only gives back.
-- Answers {1, units leased, units left, ms until the window ends, number of the window}, or
-- {0, ms until it would be granted, 0, ms until the window ends, number of the window}.

local limit, length, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local at = now(ARGV[5])
local window = read(KEYS[1])
turn_to(window, math.floor(at / length))

local of, back = tonumber(ARGV[7]), tonumber(ARGV[8])
if of == window.number then
  window.current = math.max(window.current - back, 0)
elseif of == window.number - 1 then
  window.previous = math.max(window.previous - back, 0)
end

local elapsed = elapsed_at(window, length, at)
local used = used_at(window, length, elapsed)
local reset = length - elapsed

local answer
if used + cost <= limit then
  local slice = 0
  if cost > 0 then
    slice = math.max(cost, math.floor((limit - used) / tonumber(ARGV[6])))
  end
  window.current = window.current + slice
  answer = { 1, slice, limit - used - slice, reset, window.number }
else
  answer = { 0, wait(window, length, elapsed, math.max(limit - cost, 0)), 0, reset, window.number }
end
write(KEYS[1], window, ARGV[4])
return answer
