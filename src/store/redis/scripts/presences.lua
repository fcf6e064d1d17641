local answer = {}
for _, node in ipairs(redis.call('ZRANGE', P .. 'nodes', 0, -1)) do
  local key = P .. 'node:' .. node
  local sealed = redis.call('GET', key)
  if sealed then
    answer[#answer + 1] = { node, sealed, string.format('%016x', math.max(redis.call('PTTL', key), 0)) }
  end
end
return answer
