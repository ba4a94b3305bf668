-- The rule of src/identity/lockout.rs. What is kept under a key is `count:last:locked until`, times in ms.
--
-- KEYS: the bucket. ARGV: what is to be done, now in ms or '', the failure that locks, how long the first lock lasts in
-- ms, how long a lock lasts at most in ms.
-- `attempt` answers 0 when it was counted, else for how many ms the bucket is still locked. `take_back` answers 0.

local now = ARGV[2]
if now == '' then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
else
  now = tonumber(now)
end
local after, first, max = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])

-- How long the failure number `failures` locks.
local function lock(failures)
  if failures < after then
    return 0
  end
  return math.min(first * 2 ^ math.min(failures - after, 32), max)
end

local count, last, locked_until = 0, 0, 0
local kept = redis.call('GET', KEYS[1])
if kept then
  count, last, locked_until = string.match(kept, '^(%d+):(%-?%d+):(%-?%d+)$')
  count, last, locked_until = tonumber(count), tonumber(last), tonumber(locked_until)
end

if ARGV[1] == 'attempt' then
  if now < locked_until then
    return locked_until - now
  end
  if now >= math.max(locked_until, last) + max then
    count = 0
  end
  -- As far as the gateway counts.
  count = math.min(count + 1, 4294967295)
  last = now
elseif not kept then
  return 0
else
  count = math.max(count - 1, 0)
end
locked_until = last + lock(count)
local text = string.format('%.0f:%.0f:%.0f', count, last, locked_until)
-- Forgotten by the rule above; this only gives the room back.
redis.call('SET', KEYS[1], text, 'PX', string.format('%.0f', lock(count) + max + 60000))
return 0
