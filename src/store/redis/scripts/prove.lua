local node, now, life = unpack(ARGV)
redis.call('SET', P .. 'proved:' .. node, now, 'PX', number(life))
return { 'kept' }
