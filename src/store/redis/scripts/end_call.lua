local id, sid, epoch, owner, now, expires, sealed = unpack(ARGV)
local ended, bad = look('ended', P .. 'ended:' .. id, 'sid', 'expires')
if bad then return bad end
if ended and ended[3] > now then return { 'ended' } end
-- What cannot be read of a call keeps it from ending no more than nothing does.
local call = look('call', P .. 'call:' .. id, 'expires', 'epoch', 'owner', 'turn', 'sid')
-- Where nobody is said to end it the carrier does, whoever has it.
if epoch ~= '' and rule(call, now, epoch, owner) ~= 'kept' then return { 'superseded', call[3] } end
local life = ttl(expires, now)
redis.call('HSET', P .. 'ended:' .. id, 'v', '1', 'sid', sid, 'epoch', epoch, 'owner', owner, 'at', now,
  'expires', expires, 'sealed', sealed)
redis.call('PEXPIRE', P .. 'ended:' .. id, life)
redis.call('ZADD', P .. 'expiry', number(expires), 'e' .. id)
redis.call('DEL', P .. 'call:' .. id)
redis.call('ZREM', P .. 'calls', id)
redis.call('ZREM', P .. 'expiry', 'c' .. id)
if call and call[6] ~= sid then unname(call[6], id) end
if ended and ended[2] ~= sid then unname(ended[2], id) end
redis.call('SET', P .. 'sid:' .. sid, id, 'PX', life)
return { 'kept' }
