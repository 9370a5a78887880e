-- wrk: mode "empty" asks for one path again and again, "read" does so with a token; mode "reserve" sends a new order
-- each time.
-- Arguments: mode, run, file of tokens, first product, last product.
local count, threads = 0, 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

local function reserve()
  count = count + 1
  local headers = {
    ["Authorization"] = tokens[1 + count % #tokens],
    ["Content-Type"] = "application/json",
    ["Idempotency-Key"] = run .. "-" .. number .. "-" .. count,
  }
  local body = '{"lines":[{"product_id":' .. math.random(first, last) .. ',"quantity":1}]}'
  return wrk.format("POST", "/api/reservations", headers, body)
end

function init(arguments)
  tokens = {}
  run = arguments[2]
  if arguments[1] == "read" then wrk.headers["Authorization"] = "Bearer " .. io.lines(arguments[3])() end
  if arguments[1] ~= "reserve" then return end  -- without request() wrk sends the same bytes, and has more time to
  for line in io.lines(arguments[3]) do tokens[#tokens + 1] = "Bearer " .. line end
  first, last = tonumber(arguments[4]), tonumber(arguments[5])
  math.randomseed(tonumber(run) * 100 + number)
  request = reserve
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"requests":%d,"seconds":%f,"p50_ms":%f,"p99_ms":%f,"max_ms":%f,"non_2xx":%d,"broken":%d,"timeouts":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    latency.max / 1000, errors.status, errors.connect + errors.read + errors.write, errors.timeout))
end
