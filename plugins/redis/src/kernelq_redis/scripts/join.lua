-- Begin or renew the lease of a consumer on queues. KEYS: alive of each. ARGV: consumer, 1 to begin.
-- Returns for each queue whether the lease holds.
local time = redis.call('TIME')
local value = time[1] .. '.' .. string.format('%06d', time[2])
local holds = {}
redis.call('HDEL', KEYS[1], '') -- see common.lua: works where the memory is full
for i, key in ipairs(KEYS) do
  local renewed = redis.call('HGET', key, ARGV[1])
  if (renewed and string.byte(renewed) ~= 100) or (not renewed and ARGV[2] == '1') then
    redis.call('HSET', key, ARGV[1], value)
    holds[i] = 1
  else
    holds[i] = 0
  end
end
return holds
