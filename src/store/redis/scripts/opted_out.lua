return { redis.call('GET', P .. 'opted_out:' .. ARGV[1]) or nil }
