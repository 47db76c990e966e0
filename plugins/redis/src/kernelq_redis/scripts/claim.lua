-- Put what is due in the ready lists, then take up to ARGV[3] messages from all queues into the consumer's hashes.
-- KEYS: nine for each queue: alive, unacked, counts, the four ready lists, delayed, bodies.
-- ARGV: consumer, number before the first tag's, credit, how many delayed ones of a queue to look at; where Celery's
-- workers may rescue it, how an entry of kombu's ends, for each queue.
-- Returns 0 where the lease has ended, else 1, the seconds until the next delayed one is due ('' for never), and groups:
-- {index of the queue, step's index, number of the first, {index, count, ...} of those lost before, messages}.
local consumer, number, left, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local queues = COUNT / 9
for i = 0, queues - 1 do
  local renewed = redis.call('HGET', KEYS[9 * i + 1], consumer)
  if not renewed or string.byte(renewed) == 100 then
    return {0, '', {}}
  end
end

local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local due = nil

local function promote(at)
  local first = redis.call('ZRANGE', KEYS[at + 8], 0, 0, 'WITHSCORES')
  if not first[1] then
    return
  end
  if tonumber(first[2]) <= now then
    local members = redis.call('ZRANGEBYSCORE', KEYS[at + 8], '-inf', string.format('%.6f', now), 'LIMIT', 0, most)
    local raws = redis.call('HMGET', KEYS[at + 9], unpack(members))
    redis.call('ZREM', KEYS[at + 8], unpack(members))
    redis.call('HDEL', KEYS[at + 9], unpack(members))
    for i = #members, 1, -1 do
      if raws[i] then
        redis.call('RPUSH', KEYS[at + 4 + (string.byte(members[i]) - 48) / 3], raws[i])
      end
    end
    first = redis.call('ZRANGE', KEYS[at + 8], 0, 0, 'WITHSCORES')
    if not first[1] then
      return
    end
  end
  local score = tonumber(first[2])
  if not due or score < due then
    due = score
  end
end

local groups = {}

local function take(queue, share)
  local at = 9 * queue
  for step = 0, 3 do
    while share > 0 do
      local raws = redis.call('RPOP', KEYS[at + 4 + step], math.min(share, 128))
      if not raws then
        break
      end
      local fields, tags, counts = {}, {}, {}
      for i, raw in ipairs(raws) do
        tags[i] = 4 * (number + i) + step
        fields[2 * i - 1] = tags[i]
        fields[2 * i] = raw
        if string.byte(raw, -1) == 32 then
          counts[#counts + 1] = i
          counts[#counts + 1] = tonumber(redis.call('HGET', KEYS[at + 3], redis.sha1hex(raw)) or 0)
        end
      end
      redis.call('HSET', KEYS[at + 2], unpack(fields))
      hold(consumer, ARGV[5 + queue], tags, raws)
      groups[#groups + 1] = {queue, step, number + 1, counts, raws}
      number, share, left = number + #raws, share - #raws, left - #raws
    end
  end
end

for i = 0, queues - 1 do
  promote(9 * i)
end
for i = 0, queues - 1 do
  take(i, math.ceil(left / (queues - i)))
end
if queues > 1 then
  for i = 0, queues - 1 do
    take(i, left)
  end
end
return {1, due and string.format('%.3f', due - now) or '', groups}
