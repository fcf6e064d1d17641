local caller, at = unpack(ARGV)
if at == '' then
  redis.call('DEL', P .. 'opted_out:' .. caller)
else
  redis.call('SET', P .. 'opted_out:' .. caller, at)
end
return { 'kept' }
