local caller, max = unpack(ARGV)
local ids = redis.call('SMEMBERS', P .. 'of_caller:' .. caller)
local count = math.min(#ids, tonumber(max))
local known = 0
for place = 1, count do
  known = known + redis.call('EXISTS', P .. 'promise:' .. ids[place])
  drop_promise(ids[place], caller)
end
return { tostring(known) }
