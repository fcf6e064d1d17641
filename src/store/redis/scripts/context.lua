local found, bad = look('context', P .. 'context:' .. ARGV[1], 'call', 'sealed')
return bad or { found }
