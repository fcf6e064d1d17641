local name, from, to, owner, sealed = unpack(ARGV)
local key = P .. 'role:' .. name
local role, bad = look('role', key, 'epoch', 'owner', 'sealed')
if bad then return bad end
local epoch = role and role[2] or string.rep('0', 16)
if epoch ~= from then return { 'stale', epoch } end
redis.call('HSET', key, 'v', '1', 'epoch', to, 'owner', owner, 'sealed', sealed)
return { 'changed', to }
