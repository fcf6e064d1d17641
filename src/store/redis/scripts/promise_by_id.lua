local id, now = unpack(ARGV)
local found, bad = read_promise(id, now)
return bad or { found }
