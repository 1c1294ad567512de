#!lua
-- Replaces a value if it is the expected one.
-- KEYS: the key; ARGV: expected value, new value. Answers the value that is stored afterwards.
local stored = redis.call('GET', KEYS[1]) or '-'
if stored ~= ARGV[1] then
  return stored
end
redis.call('SET', KEYS[1], ARGV[2])
return ARGV[2]
