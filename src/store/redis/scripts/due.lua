-- Those that expired and were not thrown away yet are passed over, so many at most.
local SCANNED = 1000
local skip, max, now = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local ids = redis.call('ZRANGEBYSCORE', P .. 'due', '-inf', number(now), 'LIMIT', skip, SCANNED)
local answer = { '0' }
for place, id in ipairs(ids) do
  local found, bad = read_promise(id, now)
  if bad then return bad end
  answer[1] = tostring(place)
  if found then answer[#answer + 1] = found end
  if #answer > max then return answer end
end
return answer
