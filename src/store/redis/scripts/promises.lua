local after, max, now = unpack(ARGV)
return page('promises', after, max, function(id)
  return read_promise(id, now)
end)
