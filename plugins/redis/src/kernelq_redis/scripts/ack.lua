-- Acknowledge messages that were never lost. KEYS: alive, unacked. ARGV: consumer, tags.
-- Returns how many were this consumer's own, or -1 where the lease has ended.
local renewed = redis.call('HGET', KEYS[1], ARGV[1])
if not renewed or string.byte(renewed) == 100 then
  return -1
end
local done, others = take_out_all(KEYS[2], ARGV[1], 2)
if others > 0 then
  end_lease(KEYS[1], ARGV[1])
  return -1
end
return done
