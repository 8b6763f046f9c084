#!lua flags=no-writes
-- The heads of the timers. KEYS: timers of some shards. ARGV: limit of each.
-- Answers for each key: name, time, name, time, …, earliest first.
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local due = {}
for shard = 1, #KEYS do
    due[shard] = redis.call('ZRANGE', KEYS[shard], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1], 'WITHSCORES')
end
return due
