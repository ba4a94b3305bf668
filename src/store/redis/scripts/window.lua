-- The sliding window of src/throttle/window.rs, step by step the same; spend.lua and lease.lua go on from here.
-- What is kept under a key is `number:current:previous`.
--
-- Numbers are doubles: exact for whole numbers below 2^53. A count (below 2^32) times a length in milliseconds (at most
-- 2^27) may be more, so products are divided in two steps of 16 bits.

-- floor((a * b - minus) / c)
local function share(a, b, c, minus)
  local low = a % 65536
  local high = (a - low) / 65536
  local rest = (high * b) % c
  local whole = (high * b - rest) / c
  return whole * 65536 + math.floor((rest * 65536 + low * b - minus) / c)
end

-- The first `elapsed` at which count * (length - elapsed) / length is at most `room`.
local function faded_at(count, room, length)
  if count <= room then
    return 0
  end
  return length - share(room + 1, length, count, 1)
end

-- Milliseconds since 1970: as given, or of this server.
local function now(given)
  if given ~= '' then
    return tonumber(given)
  end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function read(key)
  local kept = redis.call('GET', key)
  if not kept then
    return { number = 0, current = 0, previous = 0 }
  end
  local number, current, previous = string.match(kept, '^(%-?%d+):(%d+):(%d+)$')
  return {
    number = tonumber(number), current = tonumber(current), previous = tonumber(previous), kept = kept,
  }
end

local function write(key, window, ttl)
  local text = string.format('%.0f:%.0f:%.0f', window.number, window.current, window.previous)
  if text ~= window.kept then
    redis.call('SET', key, text, 'PX', ttl)
  end
end

-- A clock that went back counts on in the newest window seen.
local function turn_to(window, number)
  if number == window.number + 1 then
    window.number, window.current, window.previous = number, 0, window.current
  elseif number > window.number then
    window.number, window.current, window.previous = number, 0, 0
  end
end

local function elapsed_at(window, length, at)
  return math.min(math.max(at - window.number * length, 0), length - 1)
end

local function used_at(window, length, elapsed)
  return window.current + share(window.previous, length - elapsed, length, 0)
end

-- Milliseconds until what is used is at most `target`.
local function wait(window, length, elapsed, target)
  if target >= window.current then
    return math.max(faded_at(window.previous, target - window.current, length) - elapsed, 1)
  end
  return length - elapsed + math.max(faded_at(window.current, target, length), 0)
end
