local by, name, now = unpack(ARGV)
local id = name
if by == 'sid' then
  id = redis.call('GET', P .. 'sid:' .. name)
  if not id then return {} end
end
local ended, bad = look('ended', P .. 'ended:' .. id, 'sid', 'epoch', 'owner', 'at', 'expires', 'sealed')
if bad then return bad end
if ended and ended[6] > now then
  ended[1] = id
  return { 'ended', ended }
end
local call
call, bad = look('call', P .. 'call:' .. id, 'sid', 'epoch', 'owner', 'turn', 'updated', 'expires',
  'sealed')
if bad then return bad end
if call and call[7] > now then
  call[1] = id
  return { 'call', call }
end
return {}
