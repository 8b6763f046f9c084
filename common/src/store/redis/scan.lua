#!lua flags=no-writes
-- Records in the order of their names. KEYS: records, index. ARGV: first and last name in ZRANGE's notation, limit.
-- Answers the names and, beside them, the records.
local names = redis.call('ZRANGE', KEYS[2], ARGV[1], ARGV[2], 'BYLEX', 'LIMIT', 0, ARGV[3])
local found = {}
-- Lua takes some thousand arguments in one call.
for from = 1, #names, 1000 do
    local to = math.min(from + 999, #names)
    local records = redis.call('HMGET', KEYS[1], unpack(names, from, to))
    for n = 1, #records do found[from + n - 1] = records[n] end
end
return {names, found}
