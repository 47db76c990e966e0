-- Have what a consumer has in flight not be rescued by Celery's workers, for another visibility timeout.
-- KEYS: alive, unacked. ARGV: consumer. Returns -1 where the lease has ended, or one of them was rescued meanwhile.
local consumer = ARGV[1]
local renewed = redis.call('HGET', KEYS[1], consumer)
if not renewed or string.byte(renewed) == 100 then
  return -1
end
redis.call('HDEL', KEYS[1], '') -- see common.lua: works where the memory is full
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
local tags = redis.call('HKEYS', KEYS[2])
for i = 1, #tags, 100 do
  local fields, scores = {}, {}
  for j = i, math.min(i + 99, #tags) do
    fields[#fields + 1] = consumer .. ':' .. tags[j]
    scores[#scores + 1] = now
    scores[#scores + 1] = fields[#fields]
  end
  for j, score in ipairs(redis.call('ZMSCORE', INDEX, unpack(fields))) do
    if not score and redis.call('HEXISTS', HELD, fields[j]) == 0 then
      end_lease(KEYS[1], consumer)
      return -1
    end
  end
  redis.call('ZADD', INDEX, 'XX', unpack(scores))
end
return #tags
