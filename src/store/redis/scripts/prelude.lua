-- Before every script. KEYS[1] is what all of our names begin with. Numbers are sixteen hexadecimal digits: in that form they
-- compare as text, and none is too large for a Lua number.
local P = KEYS[1]

-- How much longer than asked for Redis keeps what expires: what the clocks of two nodes may differ by.
local GRACE = 60000

-- Ten years: the longest time that Redis is asked to wait.
local LONGEST = 315360000000

-- Thirty days: how long behind its expiry an open promise is kept, by the clock of Redis. Whoever serves it ends it long before; it is
-- never over by the clock of a node alone.
local OPEN_KEPT = 2592000000

local function number(hex)
  return tonumber(hex, 16)
end

local function ttl(expires, now)
  local left = math.max(number(expires) - number(now), 0)
  return string.format('%.0f', math.min(left, LONGEST) + GRACE)
end

-- The same for a promise.
local function promise_ttl(open, expires, now)
  local kept = open == '1' and OPEN_KEPT or 0
  return string.format('%.0f', tonumber(ttl(expires, now)) + kept)
end

-- The time by the clock of Redis, in milliseconds.
local function redis_now()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Some fields of a record, its version first; nil: there is none. The second result says why it is not to be touched.
local function look(kind, key, ...)
  local found = redis.pcall('HMGET', key, 'v', ...)
  if found.err then
    return nil, found
  end
  if found[1] == '1' then
    return found
  end
  if not found[1] then
    if redis.call('EXISTS', key) == 1 then
      return nil, redis.error_reply('FOREIGN ' .. kind)
    end
    return nil
  end
  if (tonumber(found[1]) or 0) > 1 then
    return nil, redis.error_reply('NEWER ' .. kind)
  end
  return nil, redis.error_reply('DAMAGED ' .. kind)
end

-- What becomes of what somebody wants to be kept of a call, in the words of core::region::owner. `call` is what `look` finds of its
-- expiry, epoch, owner and turn; `turn` is nil where it is the end. Documents that are not ours (epoch 0) are not counted.
local function rule(call, now, epoch, owner, turn)
  if not call or call[2] <= now then
    return 'kept'
  end
  local is_another = epoch == call[3] and owner ~= call[4] and number(epoch) ~= 0
  if epoch < call[3] or is_another then
    return 'superseded'
  end
  if turn and epoch == call[3] and turn <= (call[5] or '') then
    return 'late'
  end
  return 'kept'
end

-- The carrier's name of a call leads nowhere, unless it leads to another call by now.
local function unname(sid, id)
  if sid and redis.call('GET', P .. 'sid:' .. sid) == id then
    redis.call('DEL', P .. 'sid:' .. sid)
  end
end

-- A set lasts as long as the last of its members.
local function last(key, life)
  if redis.call('PTTL', key) < tonumber(life) then
    redis.call('PEXPIRE', key, life)
  end
end

-- Throws away a promise, all that it is found by, its requests and its conversation.
local function drop_promise(id, caller)
  redis.call('DEL', P .. 'promise:' .. id, P .. 'context:' .. id)
  redis.call('ZREM', P .. 'promises', id)
  redis.call('ZREM', P .. 'due', id)
  redis.call('ZREM', P .. 'expiry', 'p' .. id)
  if caller then
    redis.call('SREM', P .. 'of_caller:' .. caller, id)
    if redis.call('GET', P .. 'open:' .. caller) == id then
      redis.call('DEL', P .. 'open:' .. caller)
    end
  end
  for _, send in ipairs(redis.call('SMEMBERS', P .. 'of_promise:' .. id)) do
    redis.call('DEL', P .. 'send:' .. send)
    redis.call('ZREM', P .. 'sends', send)
  end
  redis.call('DEL', P .. 'of_promise:' .. id)
end

-- Writes a promise and all that it is found by; `before` says whether it was open.
local function put_promise(id, caller, revision, open, due, expires, sealed, now, was_open)
  local life = promise_ttl(open, expires, now)
  local key = P .. 'promise:' .. id
  redis.call('HSET', key, 'v', '1', 'caller', caller, 'revision', revision, 'open', open, 'due', due,
    'expires', expires, 'sealed', sealed)
  redis.call('PEXPIRE', key, life)
  redis.call('ZADD', P .. 'promises', 0, id)
  local kept = open == '1' and OPEN_KEPT or 0
  redis.call('ZADD', P .. 'expiry', string.format('%.0f', number(expires) + kept), 'p' .. id)
  redis.call('SADD', P .. 'of_caller:' .. caller, id)
  last(P .. 'of_caller:' .. caller, life)
  last(P .. 'of_promise:' .. id, life)
  if open == '1' and due ~= '' then
    redis.call('ZADD', P .. 'due', number(due), id)
  else
    redis.call('ZREM', P .. 'due', id)
  end
  if open == '1' then
    redis.call('SET', P .. 'open:' .. caller, id, 'PX', life)
    last(P .. 'context:' .. id, life)
  elseif was_open then
    redis.call('DEL', P .. 'open:' .. caller)
  end
end

-- The open promise of a caller, if it is another than `this`. One that everybody has left open gives way.
local function other_open(caller, this, now)
  local id = redis.call('GET', P .. 'open:' .. caller)
  if not id or id == this then
    return nil
  end
  local found, bad = look('promise', P .. 'promise:' .. id, 'expires')
  if not found then
    return nil, bad
  end
  if number(found[2]) + OPEN_KEPT > number(now) then
    return id
  end
  drop_promise(id, caller)
  return nil
end

-- A page of names behind one of them, with what `read` makes of each: how many names there were, the last, the records. What cannot be
-- read stops nobody: why stands in its place.
local function page(index, after, max, read)
  local from = after == '' and '-' or '(' .. after
  local ids = redis.call('ZRANGEBYLEX', P .. index, from, '+', 'LIMIT', 0, max)
  local answer = { tostring(#ids), ids[#ids] or '' }
  for _, id in ipairs(ids) do
    local record, bad = read(id)
    if bad then
      answer[#answer + 1] = { 'unread', bad.err }
    elseif record then
      answer[#answer + 1] = record
    end
  end
  return answer
end

local function read_promise(id, now)
  local found, bad = look('promise', P .. 'promise:' .. id, 'caller', 'revision', 'open', 'due', 'expires', 'sealed')
  if found and (found[4] == '1' or found[6] > now) then
    found[1] = id
    return found
  end
  return nil, bad
end

