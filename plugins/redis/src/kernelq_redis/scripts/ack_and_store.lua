-- Acknowledge messages that were never lost, each with its result. KEYS: alive, unacked, the results' keys.
-- ARGV: consumer; for each result its tag, and payload, milliseconds and state as `store` takes them.
-- Returns how many were this consumer's own, or -1 where the lease has ended.
local renewed = redis.call('HGET', KEYS[1], ARGV[1])
if not renewed or string.byte(renewed) == 100 then
  return -1
end
local done = 0
for i = 1, COUNT - 2 do
  if take_out(KEYS[2], ARGV[1], ARGV[4 * i - 2]) then
    store(KEYS[i + 2], ARGV[4 * i - 1], ARGV[4 * i], ARGV[4 * i + 1])
    done = done + 1
  end
end
return done
