#!lua
-- Applies one slice of a partition together with its checkpoint, or nothing.
-- KEYS[1] checkpoint; ARGV: expected checkpoint, new checkpoint, commands as MessagePack,
-- then names and values of file keys in turn.
-- Answers the checkpoint that is stored afterwards, '-' for none.
-- Every other key carries the hash tag of KEYS[1]. On a cluster they are all among KEYS.
local stored = redis.call('GET', KEYS[1]) or '-'
-- An equal checkpoint means that this very call was applied before and its answer was lost.
if stored ~= ARGV[1] or stored == ARGV[2] then
  return stored
end

local function append_line(key, identity, line)
  for _, kept in ipairs(redis.call('LRANGE', key, 0, -1)) do
    if string.sub(kept, 3, 18) == identity then
      return
    end
  end
  redis.call('RPUSH', key, line)
  redis.call('LTRIM', key, -200, -1)
end

local function count(key, field, delta)
  -- HINCRBY refuses to pass 2^63, and a script that fails here has already written documents.
  if redis.call('HINCRBYFLOAT', key, field, delta) == '0' then
    redis.call('HDEL', key, field)
  end
end

for at = 4, #ARGV, 1000 do
  redis.call('MSET', unpack(ARGV, at, math.min(at + 999, #ARGV)))
end

for _, command in ipairs(cmsgpack.unpack(ARGV[3])) do
  local name = command[1]
  if name == 'APPEND_LINE' then
    append_line(command[2], command[3], command[4])
  elseif name == 'COUNT' then
    count(command[2], command[3], command[4])
  else
    redis.call(unpack(command))
  end
end
redis.call('SET', KEYS[1], ARGV[2])
return ARGV[2]
