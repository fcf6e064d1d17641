local by, name, now = unpack(ARGV)
local id = name
if by == 'sid' then
  id = redis.call('GET', P .. 'sid:' .. name)
  if not id then return {} end
end
local ended, bad = look('ended', P .. 'ended:' .. id, 'sid', 'at', 'expires', 'sealed')
if bad then return bad end
if ended and ended[4] > now then
  ended[1] = id
  return { 'ended', ended }
end
local call
call, bad = look('call', P .. 'call:' .. id, 'sid', 'node', 'epoch', 'updated', 'expires', 'sealed')
if bad then return bad end
if call and call[6] > now then
  call[1] = id
  return { 'call', call }
end
return {}
