#!lua
-- Moves the published position of a partition, never above its checkpoint.
-- KEYS: published position, checkpoint; ARGV: expected position, new position.
-- Answers the position that is stored afterwards, as text.
local stored = redis.call('GET', KEYS[1]) or '0'
if stored ~= ARGV[1] then
  return stored
end
local checkpoint = redis.call('GET', KEYS[2]) or '0'
if tonumber(ARGV[2]) > tonumber(string.match(checkpoint, '^%d+')) then
  return stored
end
redis.call('SET', KEYS[1], ARGV[2])
return ARGV[2]
