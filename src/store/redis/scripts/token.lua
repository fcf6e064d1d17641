local token, expires, now = unpack(ARGV)
local key = P .. 'token:' .. token
local used = redis.call('GET', key)
if used and used > now then return { 'used' } end
redis.call('SET', key, expires, 'PX', ttl(expires, now))
return { 'first' }
