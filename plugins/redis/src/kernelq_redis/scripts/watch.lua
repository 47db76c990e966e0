-- Tell who consumes queues. KEYS: alive of each. Returns the time, and for each queue consumer, renewal, ...
local time = redis.call('TIME')
local found = {time[1] .. '.' .. string.format('%06d', time[2])}
for i, key in ipairs(KEYS) do
  found[i + 1] = redis.call('HGETALL', key)
end
return found
