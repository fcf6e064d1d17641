local id, caller, revision, open, due, expires, sealed, now = unpack(ARGV)
if redis.call('EXISTS', P .. 'opted_out:' .. caller) == 1 then return { 'opted_out' } end
local other, bad = other_open(caller, id, now)
if bad then return bad end
if other then return { 'already', other } end
local same
same, bad = look('promise', P .. 'promise:' .. id, 'caller', 'expires', 'open')
if bad then return bad end
if same and (same[4] == '1' or same[3] > now) then return { 'already', id } end
if same then drop_promise(id, same[2]) end
put_promise(id, caller, revision, open, due, expires, sealed, now, false)
return { 'kept' }
