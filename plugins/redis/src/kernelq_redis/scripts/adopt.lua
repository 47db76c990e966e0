-- Take what the blocking move has put in a landing list into the consumer's hash, if it is what the consumer means.
-- KEYS: alive, unacked, counts, landing list. ARGV: consumer, tag, fingerprint of the message.
-- Returns how many owners lost it, or -1 where the lease has ended, or -2 where the message is not there any more.
local renewed = redis.call('HGET', KEYS[1], ARGV[1])
if not renewed or string.byte(renewed) == 100 then
  return -1
end
local raw = redis.call('LINDEX', KEYS[4], -1)
if not raw or redis.sha1hex(raw) ~= ARGV[3] then
  return -2
end
redis.call('RPOP', KEYS[4])
redis.call('HSET', KEYS[2], ARGV[2], raw)
if string.byte(raw, -1) == 32 then
  return tonumber(redis.call('HGET', KEYS[3], redis.sha1hex(raw)) or 0)
end
return 0
