-- What cannot be read, or is of a kind that this version does not know, is passed over, so many at most.
local SCANNED = 10000
local max, now = tonumber(ARGV[1]), number(ARGV[2])
-- What one node takes for over by a clock that is ahead is still there by the clock of all.
now = math.min(now, redis_now())
local removed, left_alone = 0, 0

local function drop(kind, id)
  local key = ({ c = P .. 'call:', e = P .. 'ended:', p = P .. 'promise:' })[kind]
  if not key then
    return false
  end
  key = key .. id
  local found, bad = look('record', key, kind == 'p' and 'caller' or 'sid', 'open', 'expires')
  if bad then
    return false
  end
  if kind == 'p' then
    local kept = found and found[3] == '1' and number(found[4]) + OPEN_KEPT or 0
    if kept > now then
      -- Of a version that kept open promises no longer than others.
      redis.call('ZADD', P .. 'expiry', string.format('%.0f', kept), 'p' .. id)
      return true, true
    end
    drop_promise(id, found and found[2])
    return true
  end
  redis.call('DEL', key)
  if kind == 'c' then
    redis.call('ZREM', P .. 'calls', id)
  end
  unname(found and found[2], id)
  return true
end

while removed < max and left_alone < SCANNED do
  local names = redis.call('ZRANGEBYSCORE', P .. 'expiry', '-inf', now, 'LIMIT', left_alone, max - removed)
  if #names == 0 then break end
  for _, name in ipairs(names) do
    local is_done, is_kept = drop(name:sub(1, 1), name:sub(2))
    if is_done then
      if not is_kept then redis.call('ZREM', P .. 'expiry', name) end
      removed = removed + 1
    else
      left_alone = left_alone + 1
    end
  end
end
local is_more = left_alone < SCANNED and redis.call('ZCOUNT', P .. 'expiry', '-inf', now) > left_alone
return { tostring(removed), is_more and 'more' or 'done', tostring(left_alone) }
