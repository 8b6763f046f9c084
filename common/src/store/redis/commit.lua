#!lua
-- Applies one batch to one shard, whole or not at all.
--
-- KEYS: records, index, counters, timers, seq, tokens (of the minute in which the batch was made); all of one slot.
-- ARGV: token, made (ms), "1" if a known result must be written again; then, each list behind its length:
--   preconditions  kind, name, value           kinds: a(bsent), v(ersion), b(elow), t(imer at)
--   counters       name, add, kind, id, time   at zero, like a timer; kind "" for none
--   puts           name, value
--   deletes        name
--   counter deletes name
--   timers         kind, id, time              kinds: i(n ms), t(ime), c(lear)
-- Answers: "K" or "D" and a result (known, done); "S" (stale); "C" or "R" and the number of the precondition that does
-- not hold, or of the counter that leaves its range, from zero.
--
-- All that may fail is asked before the first write: Redis does not take back what a script wrote before an error.
local call, format = redis.call, string.format
local records, index, counters, timers, seqs, tokens = unpack(KEYS)

local known = call('HGET', tokens, ARGV[1])
if known then
    -- WAIT asks after this connection's last write: give it one.
    if ARGV[3] == '1' then call('HSET', tokens, ARGV[1], known) end
    return 'K' .. known
end

local time = call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
local made = tonumber(ARGV[2])
if now - made > 600000 then return 'S' end

local i = 4
for p = 1, ARGV[i] do
    local kind, name, value = ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
    local holds
    if kind == 'v' then
        local record = call('HGET', records, name)
        holds = record and string.sub(record, 1, #value + 1) == value .. ' '
    elseif kind == 'a' then
        holds = call('HEXISTS', records, name) == 0
    elseif kind == 'b' then
        holds = tonumber(call('HGET', counters, name) or 0) < tonumber(value)
    else
        local score = call('ZSCORE', timers, name)
        holds = score and tonumber(score) == tonumber(value)
    end
    if not holds then return 'C' .. (p - 1) end
    i = i + 3
end

i = i + 1
local count, first = tonumber(ARGV[i]), i
local sums, values = {}, {}
for c = 1, count do
    local name = ARGV[i + 1]
    local value = (sums[name] or tonumber(call('HGET', counters, name) or 0)) + ARGV[i + 2]
    if value > 9007199254740991 or value < -9007199254740991 then return 'R' .. (c - 1) end
    sums[name], values[c] = value, value
    i = i + 5
end

-- From here on nothing is refused.
local seq = math.max(tonumber(call('GET', seqs) or 0) + 1, micros)
local version = format('%.0f', seq)
call('SET', seqs, version)

i = i + 1
for _ = 1, ARGV[i] do
    local name = ARGV[i + 1]
    if call('HSET', records, name, version .. ' ' .. ARGV[i + 2]) == 1 then call('ZADD', index, 0, name) end
    i = i + 2
end
i = i + 1
for _ = 1, ARGV[i] do
    i = i + 1
    if call('HDEL', records, ARGV[i]) == 1 then call('ZREM', index, ARGV[i]) end
end
i = i + 1
for _ = 1, ARGV[i] do
    i = i + 1
    call('HDEL', counters, ARGV[i])
end

local function set(kind, id, at)
    if kind == 'c' then
        call('ZREM', timers, id)
    else
        if kind == 'i' then at = format('%.0f', now + at) end
        call('ZADD', timers, at, id)
    end
end
local result = version .. ' ' .. format('%.0f', now)
for c = 1, count do
    local at = first + 5 * (c - 1)
    if values[c] == 0 then
        call('HDEL', counters, ARGV[at + 1])
        if ARGV[at + 3] ~= '' then set(ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]) end
        result = result .. ' 0'
    else
        local value = format('%.0f', values[c])
        call('HSET', counters, ARGV[at + 1], value)
        result = result .. ' ' .. value
    end
end
i = i + 1
for _ = 1, ARGV[i] do
    set(ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
    i = i + 3
end

-- A minute's tokens go together, when the last batch made in it has been stale for 15 minutes.
call('HSET', tokens, ARGV[1], result)
if call('HLEN', tokens) == 1 then
    call('PEXPIREAT', tokens, format('%.0f', (math.floor(made / 60000) + 26) * 60000))
end
return 'D' .. result
