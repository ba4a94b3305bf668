-- The rule of src/identity/lockout.rs. What is kept under a key is `count:last:locked until`, times in ms.
--
-- KEYS: the bucket. ARGV: `take_back`; or `attempt`, now in ms or '', the failure that locks, how long the first lock lasts
-- in ms, how long a lock lasts at most in ms, after how many ms one failure is forgotten or 0.
-- `attempt` answers 0 when it was counted, else for how many ms the bucket is still locked. `take_back` answers 0.

local count, last, locked_until = 0, 0, 0
local kept = redis.call('GET', KEYS[1])
if kept then
  count, last, locked_until = string.match(kept, '^(%d+):(%-?%d+):(%-?%d+)$')
  count, last, locked_until = tonumber(count), tonumber(last), tonumber(locked_until)
end

local function text()
  return string.format('%.0f:%.0f:%.0f', count, last, locked_until)
end

if ARGV[1] == 'take_back' then
  if kept then
    count = math.max(count - 1, 0)
    locked_until = 0
    redis.call('SET', KEYS[1], text(), 'KEEPTTL')
  end
  return 0
end

local now = ARGV[2]
if now == '' then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
else
  now = tonumber(now)
end
local after, first, max, fades =
  tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

-- How long the failure number `failures` locks.
local function lock(failures)
  if failures < after then
    return 0
  end
  return math.min(first * 2 ^ math.min(failures - after, 32), max)
end

if now < locked_until then
  return locked_until - now
end
if now >= math.max(locked_until, last) + max then
  count = 0
end
if fades > 0 then
  local faded = math.min(math.floor(math.max(now - last, 0) / fades), count)
  count = count - faded
  last = last + faded * fades
end
if count == 0 or fades == 0 then
  last = now
end
-- As far as the gateway counts.
count = math.min(count + 1, 4294967295)
locked_until = now + lock(count)
-- Forgotten by the rule above; this only gives the room back.
redis.call('SET', KEYS[1], text(), 'PX', string.format('%.0f', lock(count) + max + 60000))
return 0
