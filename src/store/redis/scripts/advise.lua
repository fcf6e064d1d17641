return { tostring(redis.call('PUBLISH', P .. 'advice', ARGV[1])) }
