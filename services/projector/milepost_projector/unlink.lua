#!lua
-- Removes keys of dead generations, as long as the live one is to be kept.
-- KEYS: metadata, then what to remove; ARGV: the generations to keep.
-- Answers how many there were, -1 where another generation is live and nothing was removed.
local live = string.match(redis.call('GET', KEYS[1]) or '', '"generation":(%d+)')
for _, kept in ipairs(ARGV) do
  if kept == live then
    return redis.call('UNLINK', unpack(KEYS, 2))
  end
end
return -1
