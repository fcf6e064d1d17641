local after, max = unpack(ARGV)
return page('sends', after, max, function(id)
  local send, bad = look('send', P .. 'send:' .. id, 'promise', 'at', 'sealed')
  if send then send[1] = id end
  return send, bad
end)
