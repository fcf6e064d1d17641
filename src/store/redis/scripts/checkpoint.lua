local id, sid, epoch, owner, turn, now, expires, sealed = unpack(ARGV)
local ended, bad = look('ended', P .. 'ended:' .. id, 'sid', 'expires')
if bad then return bad end
if ended and ended[3] > now then return { 'ended' } end
local call
call, bad = look('call', P .. 'call:' .. id, 'expires', 'epoch', 'owner', 'turn', 'sid')
if bad then return bad end
local ruling = rule(call, now, epoch, owner, turn)
if ruling ~= 'kept' then return { ruling, call[3] } end
local life = ttl(expires, now)
redis.call('HSET', P .. 'call:' .. id, 'v', '1', 'sid', sid, 'epoch', epoch, 'owner', owner, 'turn', turn,
  'updated', now, 'expires', expires, 'sealed', sealed)
redis.call('PEXPIRE', P .. 'call:' .. id, life)
redis.call('ZADD', P .. 'calls', 0, id)
redis.call('ZADD', P .. 'expiry', number(expires), 'c' .. id)
if ended then
  redis.call('DEL', P .. 'ended:' .. id)
  redis.call('ZREM', P .. 'expiry', 'e' .. id)
  if ended[2] ~= sid then unname(ended[2], id) end
end
if call and call[6] ~= sid then unname(call[6], id) end
redis.call('SET', P .. 'sid:' .. sid, id, 'PX', life)
return { 'kept' }
