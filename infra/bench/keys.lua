-- A script of wrk: sends a key of a file with each request and prints what was measured as one line of JSON.
--
--   BENCH_KEYS    file of header values, one a line; without it no header is added
--   BENCH_HEADER  header that carries them: ApiKey, x-api-key, Authorization (its values then begin with "Bearer ")
--   BENCH_METHOD  GET if absent
--   BENCH_BODY    body; each %d in it becomes a number that no other request has
--
-- Further headers are given to wrk by -H.

local threads = 0

function setup(thread)
   thread:set("id", threads)
   threads = threads + 1
end

function init()
   wrk.method = os.getenv("BENCH_METHOD") or "GET"
   header = os.getenv("BENCH_HEADER") or "ApiKey"
   body = os.getenv("BENCH_BODY")

   keys = {}
   local path = os.getenv("BENCH_KEYS")
   if path then
      for line in io.lines(path) do
         if line ~= "" then keys[#keys + 1] = line end
      end
      assert(#keys > 0, path .. " has no keys")
   end
   -- Each thread has a Lua state of its own. They begin apart, so as not to send the same key at the same time.
   turn = id * 37

   -- The seconds keep the numbers of two runs apart, the thread those of one run. Fifteen digits are exact in a double.
   number = (os.time() % 1000000) * 1000000000 + id * 100000000

   -- Without a body each key has one request: it is formatted once, so that wrk is less of a limit.
   formatted = {}
end

function request()
   local place = 1
   if #keys > 0 then
      place = turn % #keys + 1
      turn = turn + 1
   end
   if not body then
      formatted[place] = formatted[place] or format(keys[place])
      return formatted[place]
   end
   number = number + 1
   return format(keys[place], (body:gsub("%%d", string.format("%.0f", number))))
end

function format(key, text)
   if key then wrk.headers[header] = key end
   return wrk.format(nil, nil, nil, text)
end

-- Latencies come in microseconds. wrk counts answers of 400 and more as `status`; none here redirects.
function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '{"requests":%d,"seconds":%.3f,"errors":%d,"non_2xx":%d,"p50_us":%d,"p90_us":%d,"p99_us":%d,"max_us":%d}\n',
      summary.requests, summary.duration / 1e6, errors.connect + errors.read + errors.write + errors.timeout,
      errors.status, latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max))
end
