-- wrk: mode "empty" asks for one path again and again, "read" does so with a token; mode "reserve" sends a new order
-- each time.
-- Arguments: mode, run, file of tokens, first product, last product.
local count, threads = 0, 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

-- One concatenation: wrk.format and its tables cost 25 us of a core that the server wants.
local function reserve()
  count = count + 1
  local product = math.random(first, last)
  return heads[1 + count % #heads] .. count .. bodies[product - first + 1]
end

local function head(token)
  return "POST /api/reservations HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\nAuthorization: Bearer " .. token
    .. "\r\nContent-Type: application/json\r\nIdempotency-Key: " .. run .. "-" .. number .. "-"
end

local function tail(product)
  local body = '{"lines":[{"product_id":' .. product .. ',"quantity":1}]}'
  return "\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
end

function init(arguments)
  heads, bodies = {}, {}
  run = arguments[2]
  if arguments[1] == "read" then wrk.headers["Authorization"] = "Bearer " .. io.lines(arguments[3])() end
  if arguments[1] ~= "reserve" then return end  -- without request() wrk sends the same bytes, and has more time to
  first, last = tonumber(arguments[4]), tonumber(arguments[5])
  for line in io.lines(arguments[3]) do heads[#heads + 1] = head(line) end
  for product = first, last do bodies[#bodies + 1] = tail(product) end
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
