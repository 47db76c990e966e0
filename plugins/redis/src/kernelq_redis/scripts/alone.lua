-- Flights of which KernelQ's workers alone know. See rescued.lua for the others.
local COUNT = #KEYS -- of the keys that the script itself takes

local function hold(consumer, queue, tags, raws)
end

-- Remove a flight. Returns whether it was there, and this consumer's.
local function take_out(unacked, consumer, tag)
  return redis.call('HDEL', unacked, tag) == 1
end

-- Remove the flights of all tags from ARGV[first] on; returns how many there were, and how many were someone else's.
local function take_out_all(unacked, consumer, first)
  local done = 0
  for i = first, #ARGV, 250 do
    done = done + redis.call('HDEL', unacked, unpack(ARGV, i, math.min(i + 249, #ARGV)))
  end
  return done, 0
end

local function end_lease(alive, consumer)
end
