-- Give back, uncounted, what a consumer has taken without knowing it, because the answer was lost.
-- KEYS: the twelve of the queue, then its landing lists, each with the ready list that it belongs to.
-- ARGV: consumer, the tags that it knows. Returns how many went back, or -1 where the lease has ended.
local consumer = ARGV[1]
if not holds(consumer) then
  return -1
end
write()
local known = {}
for i = 2, #ARGV do
  known[ARGV[i]] = true
end
local tags = redis.call('HKEYS', KEYS[UNACKED])
table.sort(tags, function(a, b) return tonumber(a) > tonumber(b) end)
local moved = 0
for _, tag in ipairs(tags) do
  if not known[tag] then
    local raw = redis.call('HGET', KEYS[UNACKED], tag)
    if take_out(KEYS[UNACKED], consumer, tag) then
      redis.call('RPUSH', list_of(tag), raw)
      moved = moved + 1
    end
  end
end
for i = 13, COUNT, 2 do
  while redis.call('LMOVE', KEYS[i], KEYS[i + 1], 'LEFT', 'RIGHT') do
    moved = moved + 1
  end
end
return moved
