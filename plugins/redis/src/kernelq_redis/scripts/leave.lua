-- End a consumer of a queue: give back, counted, what it has in flight, and what has landed.
-- KEYS: the twelve of the queue, then its landing lists, each with the ready list that it belongs to.
-- ARGV: consumer, most messages to give back, the renewal that was seen, what to do:
-- "reap" another's, if it has not renewed since; "close" one's own; "bound" one's own, whose blocked moves may go on.
-- A reaped consumer stays, marked by "d", since a move of it may still land; it goes with "forget".
-- Returns how many were given back, and whether there may be more.
local consumer, most, seen, how = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local renewed = redis.call('HGET', KEYS[ALIVE], consumer)
if not renewed then
  return {0, 0}
end
write()
local marked_before = string.byte(renewed) == 100
if how == 'reap' and not marked_before and renewed ~= seen then
  return {0, 0}
end
if not marked_before then
  redis.call('HSET', KEYS[ALIVE], consumer, 'd' .. now())
end

local tags = redis.call('HKEYS', KEYS[UNACKED])
table.sort(tags, function(a, b) return tonumber(a) > tonumber(b) end)
local moved = 0
for i = 1, math.min(#tags, most) do
  local tag = tags[i]
  local raw = redis.call('HGET', KEYS[UNACKED], tag)
  local begun = redis.call('SISMEMBER', KEYS[BEGUN], tag) == 1
  if take_out(KEYS[UNACKED], consumer, tag) then
    redis.call('RPUSH', list_of(tag), lose(raw, begun))
    moved = moved + 1
  end
end
for i = 13, COUNT, 2 do
  while redis.call('LMOVE', KEYS[i], KEYS[i + 1], 'LEFT', 'RIGHT') do
    moved = moved + 1
  end
end
if #tags > most then
  return {moved, 1}
end
redis.call('DEL', KEYS[BEGUN])
if how == 'close' or how == 'forget' then
  redis.call('HDEL', KEYS[ALIVE], consumer)
end
return {moved, 0}
