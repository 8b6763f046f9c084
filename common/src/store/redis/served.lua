#!lua
-- Since when this server serves. KEYS: meta. ARGV: the server's run id.
-- A replica that was promoted has run for long, but serves only since the first of us connected. Answers milliseconds.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('HGET', KEYS[1], 'run_id') ~= ARGV[1] then
    redis.call('HSET', KEYS[1], 'run_id', ARGV[1], 'served_since', string.format('%.0f', now))
end
return now - redis.call('HGET', KEYS[1], 'served_since')
