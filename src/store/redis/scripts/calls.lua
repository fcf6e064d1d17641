local after, max, now = unpack(ARGV)
return page('calls', after, max, function(id)
  local call, bad = look('call', P .. 'call:' .. id, 'sid', 'node', 'epoch', 'updated', 'expires', 'sealed')
  if call and call[6] > now then
    call[1] = id
    return call
  end
  return nil, bad
end)
