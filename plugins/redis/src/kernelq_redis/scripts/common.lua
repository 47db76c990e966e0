-- Shared by the scripts about one queue and one consumer: their twelve keys come first, see `Keys.of`.
local ALIVE, UNACKED, COUNTS, BEGUN, READY, DELAYED, BODIES, DEAD, REASONS = 1, 2, 3, 4, 5, 9, 10, 11, 12
local KEPT = 2592000 -- seconds for which deliveries are counted, of messages that someone else has ended

-- A lease holds while its consumer is known, and not marked by "d".
local function holds(consumer)
  local renewed = redis.call('HGET', KEYS[ALIVE], consumer)
  return renewed and string.byte(renewed) ~= 100
end

-- A server whose memory is full refuses what takes more of it, but lets a script go on that has written before.
-- What ends flights must work then, or the queues could not be drained.
local function write()
  redis.call('HDEL', KEYS[ALIVE], '')
end

local function now()
  local time = redis.call('TIME')
  return time[1] .. '.' .. string.format('%06d', time[2])
end

-- A message that was lost before ends in a space, so that whoever takes it knows that there is a count to look up.
local function marked(raw)
  return string.byte(raw, -1) == 32 and raw or raw .. ' '
end

local function counted(raw)
  return tonumber(redis.call('HGET', KEYS[COUNTS], redis.sha1hex(raw)) or 0)
end

local function bury(raw, deliveries, reason)
  redis.call('HDEL', KEYS[COUNTS], redis.sha1hex(raw))
  redis.call('LPUSH', KEYS[DEAD], raw)
  redis.call('HSET', KEYS[REASONS], redis.sha1hex(raw), now() .. '\n' .. deliveries .. '\n' .. reason)
end

-- Count a lost owner, unless it is a further one that had not begun. Returns the message, marked. However often it was
-- lost it goes back: who takes it sees the count, and buries it with a result, which this script could not write.
local function lose(raw, begun)
  raw = marked(raw)
  local count = counted(raw)
  if count == 0 or begun then
    redis.call('HSET', KEYS[COUNTS], redis.sha1hex(raw), count + 1)
    redis.call('EXPIRE', KEYS[COUNTS], KEPT)
  end
  return raw
end

-- The list that a tag's message came from.
local function list_of(tag)
  return KEYS[READY + tonumber(tag) % 4]
end
