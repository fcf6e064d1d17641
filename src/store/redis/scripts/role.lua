local role, bad = look('role', P .. 'role:' .. ARGV[1], 'epoch', 'owner', 'sealed')
return bad or { role }
