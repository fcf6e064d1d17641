local id, call, now = unpack(ARGV)
local promise, bad = look('promise', P .. 'promise:' .. id, 'expires', 'open')
if bad then return bad end
if not promise or promise[3] ~= '1' then return { 'not' } end
local from
from, bad = look('call', P .. 'call:' .. call, 'expires', 'sealed')
if bad then return bad end
if not from or from[2] <= now then return { 'not' } end
local key = P .. 'context:' .. id
redis.call('HSET', key, 'v', '1', 'call', call, 'sealed', from[3])
redis.call('PEXPIRE', key, promise_ttl('1', promise[2], now))
return { 'kept' }
