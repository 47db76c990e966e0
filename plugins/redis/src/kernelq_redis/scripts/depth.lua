-- Count what waits in queues. KEYS: five for each queue: the four ready lists, delayed. Returns the count.
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
local count = 0
for i = 1, #KEYS, 5 do
  for step = 0, 3 do
    count = count + redis.call('LLEN', KEYS[i + step])
  end
  count = count + redis.call('ZCOUNT', KEYS[i + 4], '-inf', now)
end
return count
