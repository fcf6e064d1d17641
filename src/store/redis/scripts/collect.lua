local max, now = tonumber(ARGV[1]), number(ARGV[2])
-- What one node takes for over by a clock that is ahead is still there by the clock of all.
now = math.min(now, redis_now())
local names = redis.call('ZRANGEBYSCORE', P .. 'expiry', '-inf', now, 'LIMIT', 0, max + 1)
local count = math.min(#names, max)
for place = 1, count do
  local kind, id = names[place]:sub(1, 1), names[place]:sub(2)
  if kind == 'c' then
    local sid = redis.call('HGET', P .. 'call:' .. id, 'sid')
    redis.call('DEL', P .. 'call:' .. id)
    redis.call('ZREM', P .. 'calls', id)
    unname(sid, id)
  elseif kind == 'e' then
    local sid = redis.call('HGET', P .. 'ended:' .. id, 'sid')
    redis.call('DEL', P .. 'ended:' .. id)
    unname(sid, id)
  elseif kind == 'p' then
    drop_promise(id, redis.call('HGET', P .. 'promise:' .. id, 'caller'))
  else
    return redis.error_reply('NEWER record')
  end
  redis.call('ZREM', P .. 'expiry', names[place])
end
return { tostring(count), #names > max and 'more' or 'done' }
