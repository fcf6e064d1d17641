local id, sid, node, epoch, now, expires, sealed = unpack(ARGV)
local ended, bad = look('ended', P .. 'ended:' .. id, 'sid', 'expires')
if bad then return bad end
if ended and ended[3] > now then return { 'ended' } end
local call
call, bad = look('call', P .. 'call:' .. id, 'sid', 'expires', 'epoch', 'node')
if bad then return bad end
if call and call[3] > now and (epoch < call[4] or (epoch == call[4] and node ~= call[5])) then
  return { 'superseded', call[4] }
end
local life = ttl(expires, now)
redis.call('HSET', P .. 'call:' .. id, 'v', '1', 'sid', sid, 'node', node, 'epoch', epoch, 'updated', now,
  'expires', expires, 'sealed', sealed)
redis.call('PEXPIRE', P .. 'call:' .. id, life)
redis.call('ZADD', P .. 'calls', 0, id)
redis.call('ZADD', P .. 'expiry', number(expires), 'c' .. id)
if ended then
  redis.call('DEL', P .. 'ended:' .. id)
  redis.call('ZREM', P .. 'expiry', 'e' .. id)
  if ended[2] ~= sid then unname(ended[2], id) end
end
if call and call[2] ~= sid then unname(call[2], id) end
redis.call('SET', P .. 'sid:' .. sid, id, 'PX', life)
return { 'kept' }
