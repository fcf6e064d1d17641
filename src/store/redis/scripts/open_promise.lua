local caller, now = unpack(ARGV)
local id = redis.call('GET', P .. 'open:' .. caller)
if not id then return {} end
local found, bad = read_promise(id, now)
return bad or { found }
