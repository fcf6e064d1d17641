local id, sid, now, expires, sealed = unpack(ARGV)
local ended, bad = look('ended', P .. 'ended:' .. id, 'sid', 'expires')
if bad then return bad end
if ended and ended[3] > now then return { 'before' } end
local call = redis.call('HGET', P .. 'call:' .. id, 'sid')
local life = ttl(expires, now)
redis.call('HSET', P .. 'ended:' .. id, 'v', '1', 'sid', sid, 'at', now, 'expires', expires, 'sealed', sealed)
redis.call('PEXPIRE', P .. 'ended:' .. id, life)
redis.call('ZADD', P .. 'expiry', number(expires), 'e' .. id)
redis.call('DEL', P .. 'call:' .. id)
redis.call('ZREM', P .. 'calls', id)
redis.call('ZREM', P .. 'expiry', 'c' .. id)
if call and call ~= sid then unname(call, id) end
if ended and ended[2] ~= sid then unname(ended[2], id) end
redis.call('SET', P .. 'sid:' .. sid, id, 'PX', life)
return { 'kept' }
