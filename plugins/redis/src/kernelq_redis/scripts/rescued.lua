-- Flights that Celery's workers may rescue: each is in kombu's hash and index too, whose names are the last two keys.
-- Whoever removes it from there has it, in one step; what is in the consumer's own hash alone is Celery's by now.
local COUNT = #KEYS - 2 -- of the keys that the script itself takes
local HELD, INDEX = KEYS[COUNT + 1], KEYS[COUNT + 2]

-- Enter what was just taken. `queue` is how kombu's entry ends, from the message on: an empty exchange and the queue's
-- name, so that it goes back there and nowhere else. What is no JSON object is not in the index: Celery would stumble.
local function hold(consumer, queue, tags, raws)
  local time = redis.call('TIME')
  local now = time[1] .. '.' .. string.format('%06d', time[2])
  local fields, scores = {}, {}
  for i, raw in ipairs(raws) do
    local field = consumer .. ':' .. tags[i]
    local readable = string.find(raw, '^%s*{') and string.find(raw, '}%s*$', -16)
    fields[2 * i - 1] = field
    fields[2 * i] = readable and '[' .. raw .. queue or ''
    if readable then
      scores[#scores + 1] = now
      scores[#scores + 1] = field
    end
  end
  redis.call('HSET', HELD, unpack(fields))
  if #scores > 0 then
    redis.call('ZADD', INDEX, unpack(scores))
  end
end

-- Remove a flight. Returns whether it was there, and this consumer's.
local function take_out(unacked, consumer, tag)
  local field = consumer .. ':' .. tag
  redis.call('ZREM', INDEX, field)
  return redis.call('HDEL', unacked, tag) == 1 and redis.call('HDEL', HELD, field) == 1
end

-- Remove the flights of all tags from ARGV[first] on; returns how many there were, and how many were someone else's.
local function take_out_all(unacked, consumer, first)
  local done, mine = 0, 0
  for i = first, #ARGV, 250 do
    local last = math.min(i + 249, #ARGV)
    local fields = {}
    for j = i, last do
      fields[#fields + 1] = consumer .. ':' .. ARGV[j]
    end
    done = done + redis.call('HDEL', unacked, unpack(ARGV, i, last))
    mine = mine + redis.call('HDEL', HELD, unpack(fields))
    redis.call('ZREM', INDEX, unpack(fields))
  end
  return mine, done - mine
end

-- Note that a flight was rescued while its consumer still lives: it slept, and what it has not begun is for others.
local function end_lease(alive, consumer)
  local time = redis.call('TIME')
  redis.call('HSET', alive, consumer, 'd' .. time[1] .. '.' .. string.format('%06d', time[2]))
end
