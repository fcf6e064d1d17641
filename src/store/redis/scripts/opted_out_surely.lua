-- A write first: a replica refuses it, and a primary that was cut off from its replicas does not get it acknowledged.
redis.call('SET', P .. 'sure', '1', 'PX', GRACE)
return { redis.call('GET', P .. 'opted_out:' .. ARGV[1]) or nil }
