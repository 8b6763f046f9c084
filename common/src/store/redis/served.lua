#!lua
-- For how long this server has been serving, in milliseconds. KEYS: meta.
-- A replica that was promoted has run for long, but serves only since the first of us connected to it.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local info = redis.call('INFO', 'server')
local run = string.match(info, 'run_id:(%w+)')
if redis.call('HGET', KEYS[1], 'run_id') ~= run then
    redis.call('HSET', KEYS[1], 'run_id', run, 'served_since', string.format('%.0f', now))
end
local served = now - redis.call('HGET', KEYS[1], 'served_since')
return math.min(served, string.match(info, 'uptime_in_seconds:(%d+)') * 1000)
