local node, sealed, life, max = unpack(ARGV)
if not redis.call('ZSCORE', P .. 'nodes', node) and redis.call('ZCARD', P .. 'nodes') >= tonumber(max) then
  for _, name in ipairs(redis.call('ZRANGE', P .. 'nodes', 0, -1)) do
    if redis.call('EXISTS', P .. 'node:' .. name) == 0 then redis.call('ZREM', P .. 'nodes', name) end
  end
  if redis.call('ZCARD', P .. 'nodes') >= tonumber(max) then return { 'full' } end
end
redis.call('SET', P .. 'node:' .. node, sealed, 'PX', number(life))
redis.call('ZADD', P .. 'nodes', 0, node)
return { 'kept' }
