-- Says whose the keys are that begin like this one; where nobody says so yet, they are ours from now on.
local form, key = unpack(ARGV)
local found = redis.call('HMGET', KEYS[1], 'is', 'form', 'key')
if not found[1] then
  if redis.call('EXISTS', KEYS[1]) == 1 then return { 'foreign' } end
  redis.call('HSET', KEYS[1], 'is', 'ringback', 'form', form, 'key', key)
  return { 'ours' }
end
if found[1] ~= 'ringback' then return { 'foreign' } end
if (tonumber(found[2]) or 0) > tonumber(form) then return { 'newer', found[2] } end
if found[2] ~= form then return { 'foreign' } end
if found[3] ~= key then return { 'key' } end
return { 'ours' }
