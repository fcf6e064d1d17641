local id, from, to, open, due, expires, sealed, now, step, send, send_at, send_sealed, sends_max = unpack(ARGV)
local before, bad = look('promise', P .. 'promise:' .. id, 'expires', 'revision', 'caller', 'open')
if bad then return bad end
if not before or (before[5] ~= '1' and before[2] <= now) then return { 'unknown' } end
if before[3] ~= from then return { 'stale', before[3] } end
local caller = before[4]
if step == 'begin' and redis.call('EXISTS', P .. 'opted_out:' .. caller) == 1 then return { 'opted_out' } end
if open == '1' then
  local other
  other, bad = other_open(caller, id, now)
  if bad then return bad end
  if other then return { 'already', other } end
end
local of_promise = P .. 'of_promise:' .. id
if step == 'begin' and redis.call('SCARD', of_promise) >= tonumber(sends_max) then return { 'full' } end
put_promise(id, caller, to, open, due, expires, sealed, now, before[5] == '1')
if step == 'begin' then
  local life = promise_ttl(open, expires, now)
  redis.call('HSET', P .. 'send:' .. send, 'v', '1', 'promise', id, 'at', send_at, 'sealed', send_sealed)
  redis.call('PEXPIRE', P .. 'send:' .. send, life)
  redis.call('ZADD', P .. 'sends', 0, send)
  redis.call('SADD', of_promise, send)
  last(of_promise, life)
elseif step == 'end' then
  local of = redis.call('HGET', P .. 'send:' .. send, 'promise')
  if of then redis.call('SREM', P .. 'of_promise:' .. of, send) end
  redis.call('DEL', P .. 'send:' .. send)
  redis.call('ZREM', P .. 'sends', send)
end
for _, each in ipairs(redis.call('SMEMBERS', of_promise)) do
  last(P .. 'send:' .. each, promise_ttl(open, expires, now))
end
if open ~= '1' then redis.call('DEL', P .. 'context:' .. id) end
return { 'kept' }
