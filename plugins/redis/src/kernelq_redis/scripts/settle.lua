-- End flights in whatever way. KEYS: the twelve of the queue, then the results' keys.
-- ARGV: consumer; for each message nine: verdict (A, R, D or B), tag, the time it is due (D), the reason (B), whether it
-- is counted, index of the result's key or 0, and as `store` takes them payload, milliseconds and state.
-- Returns how many were this consumer's own and how many were buried; -1 where the lease has ended.
local consumer = ARGV[1]
if not holds(consumer) then
  return {-1, 0}
end
local done, buried, others = 0, 0, 0
for i = 2, #ARGV, 9 do
  local verdict, tag, due, reason = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local count, key = ARGV[i + 4] == '1', tonumber(ARGV[i + 5])
  local raw = redis.call('HGET', KEYS[UNACKED], tag)
  if raw and not take_out(KEYS[UNACKED], consumer, tag) then
    others = others + 1
  elseif raw then
    redis.call('SREM', KEYS[BEGUN], tag)
    done = done + 1
    if key > 0 then
      store(KEYS[12 + key], ARGV[i + 6], ARGV[i + 7], ARGV[i + 8])
    end
    if verdict == 'A' then
      if string.byte(raw, -1) == 32 then
        redis.call('HDEL', KEYS[COUNTS], redis.sha1hex(raw))
      end
    elseif verdict == 'B' then
      bury(raw, counted(raw) + 1, reason)
      buried = buried + 1
    else
      if count then
        raw = lose(raw, true)
      end
      if verdict == 'R' then
        redis.call('RPUSH', list_of(tag), raw)
      else
        local member = 3 * (tonumber(tag) % 4) .. ':' .. consumer .. ':' .. tag
        redis.call('ZADD', KEYS[DELAYED], due, member)
        redis.call('HSET', KEYS[BODIES], member, raw)
      end
    end
  end
end
if others > 0 then
  end_lease(KEYS[ALIVE], consumer)
  return {-1, buried}
end
return {done, buried}
