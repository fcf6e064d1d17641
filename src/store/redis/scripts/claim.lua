-- How long the epoch of a claim is remembered after its lease.
local MEMORY = 3600000
local step, id, owner, epoch, lease = unpack(ARGV)
local key = P .. 'claim:' .. id
local now = redis_now()
local claim, bad = look('claim', key, 'owner', 'epoch', 'until')
if bad then return bad end
local left = claim and math.max(number(claim[4]) - now, 0) or 0
local function answer(word)
  return { word, claim and claim[2] or '', claim and claim[3] or '', string.format('%016x', left) }
end
local is_owner = claim and left > 0 and claim[2] == owner and claim[3] == epoch
if step == 'see' then return answer(left > 0 and 'held' or 'free') end
if step == 'release' then
  if not is_owner then return answer(left > 0 and 'held' or 'free') end
  redis.call('HSET', key, 'until', string.format('%016x', 0))
  return answer('released')
end
if claim and epoch < claim[3] then return answer('fenced') end
if left > 0 and not is_owner then
  -- The same owner in a newer epoch goes on at once: there are no two of them.
  if claim[2] ~= owner then return answer('held') end
end
if step == 'renew' and (left == 0 or claim[2] ~= owner) then return answer(left > 0 and 'held' or 'free') end
local length = number(lease)
redis.call('HSET', key, 'v', '1', 'owner', owner, 'epoch', epoch, 'until', string.format('%016x', now + length))
redis.call('PEXPIRE', key, length + MEMORY)
claim, left = { '1', owner, epoch }, length
return answer('granted')
