-- Note that messages are begun. KEYS: alive, begun. ARGV: consumer, tags. Returns -1 where the lease has ended.
local renewed = redis.call('HGET', KEYS[1], ARGV[1])
if not renewed or string.byte(renewed) == 100 then
  return -1
end
redis.call('HDEL', KEYS[1], '') -- see common.lua: works where the memory is full
return redis.call('SADD', KEYS[2], unpack(ARGV, 2))
