/**
 * `exchange` of `tally.ts` in Lua, for Redis: change both, the stores' common tests hold them together. KEYS: of each
 * report its count, then its earlier ones. ARGV: the reports as JSON, `earlier` being how many; the time in ms, or nothing.
 * Answers eight numbers a report: spent, others, slice, idle, held, tight, quiet, raised; eight empty texts for one that
 * failed. A failure of all, such as a full memory, is an error.
 */
export const EXCHANGE_SCRIPT = `
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local function text(number) return string.format('%.0f', number) end
local function amount(text)
  local number = tonumber(text)
  if number and number >= 0 and number <= 9007199254740991 then return number end
end
local function load(key)
  local tally = { base = 0, tight = 0, quiet = 0, holders = {} }
  local flat = redis.pcall('HGETALL', key)
  if flat.err then
    if not string.find(flat.err, 'WRONGTYPE') then error(flat) end
    redis.call('DEL', key)
    tally.damaged = true
    return tally
  end
  for i = 1, #flat, 2 do
    local field, value = flat[i], flat[i + 1]
    if field == 'base' or field == 'tight' or field == 'quiet' then
      tally[field] = amount(value) or 0
      tally.damaged = tally.damaged or not amount(value)
    else
      local spent, inUse, slice, till = string.match(value, '^(%d+) (%d+) (%d+) (%d+)$')
      spent, inUse, slice, till = amount(spent), amount(inUse), amount(slice), amount(till)
      if spent and inUse and slice and till and string.sub(field, 1, 2) == 'h:' then
        tally.holders[field] = { spent = spent, inUse = inUse, slice = slice, till = till }
      else
        tally.damaged = true
        redis.call('HDEL', key, field)
      end
    end
  end
  return tally
end
local function signOf(name)
  local first = string.sub(name, 3, 3)
  return first == '+' and 1 or first == '-' and -1 or 0
end
local function spentOf(tally)
  local spent = tally.base
  for name, one in pairs(tally.holders) do
    if signOf(name) == 0 then
      spent = spent + one.spent
      if one.till <= now then spent = spent + one.inUse end
    end
  end
  return spent
end
local function apply(report, at)
  local key = KEYS[at]
  local tally = load(key)
  local holder = 'h:' .. report.holder
  local sign = signOf(holder)
  local spent = sign == 0 and report.spent or 0
  local raised = sign * report.spent
  local earlier = 0
  for offset = 1, report.earlier do earlier = earlier + spentOf(load(KEYS[at + offset])) end
  local before = tally.holders[holder]
  local others, held, idle = 0, 0, 0
  for name, one in pairs(tally.holders) do
    if name ~= holder then
      if signOf(name) ~= 0 then
        raised = raised + signOf(name) * one.spent
      elseif one.till > now and one.till - now <= 60 * report.leaseMs then
        others = others + one.spent
        held = held + one.slice
        idle = idle + one.slice - one.inUse
      elseif one.till + 360 * report.leaseMs < now then
        tally.base = tally.base + one.spent + one.inUse
        redis.call('HDEL', key, name)
      else
        others = others + one.spent + one.inUse
      end
    end
  end
  local lost = not before and report.acked > 0
  if lost then tally.base = math.max(0, tally.base - report.acked) end
  if lost or tally.damaged then tally.quiet = math.max(tally.quiet, now + 1000) end
  local quiet = tally.quiet > now and tally.quiet - now <= 1000
  if lost or tally.damaged then tally.base = math.max(tally.base, report.others - others) end
  others = others + tally.base
  if report.tight then tally.tight = now + 2000 end
  local tight = tally.tight > now and tally.tight - now <= 2000
  local kept = math.max(report.inUse, report.keep)
  local left = math.max(0, report.cap + raised - earlier - others - spent - held - kept)
  local need = 0
  if not quiet then need = math.min(report.need, left) end
  local wanted = math.max(0, report.spare - (kept - report.inUse))
  local spare = 0
  if not tight and not quiet then spare = math.min(wanted, math.floor((left - need) * 0.1)) end
  local slice = kept + need + spare
  if report.leave then
    tally.base = tally.base + spent + report.inUse
    redis.call('HDEL', key, holder)
  else
    local taken = need == report.need and need or 0
    redis.call('HSET', key, holder, table.concat({ text(report.spent), text(report.inUse + taken), text(slice), text(now + report.leaseMs) }, ' '))
  end
  redis.call('HSET', key, 'base', text(tally.base), 'tight', text(tally.tight), 'quiet', text(tally.quiet))
  redis.call('PEXPIRE', key, text(report.keepMs))
  if report.leave then slice = 0 end
  return { earlier + others + spent, others, slice, idle, held, tight and 1 or 0, quiet and 1 or 0, raised }
end
local answers = {}
local at = 1
local failure
for _, report in ipairs(cjson.decode(ARGV[1])) do
  local done, answer = pcall(apply, report, at)
  at = at + 1 + report.earlier
  if not done then failure = answer end
  for index = 1, 8 do answers[#answers + 1] = done and text(answer[index]) or '' end
end
if failure and #answers > 0 and table.concat(answers) == '' then
  if type(failure) == 'table' then return failure end
  return redis.error_reply('ERR ' .. tostring(failure))
end
return answers
`;
