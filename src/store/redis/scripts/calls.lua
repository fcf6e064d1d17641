local after, max, now = unpack(ARGV)
return page('calls', after, max, function(id)
  local call, bad = look('call', P .. 'call:' .. id, 'sid', 'epoch', 'owner', 'turn', 'updated', 'expires',
  'sealed')
  if call and call[7] > now then
    call[1] = id
    return call
  end
  return nil, bad
end)
