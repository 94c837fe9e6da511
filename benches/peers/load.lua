-- What wrk sends and what it tells afterwards, by the arguments:
--
--   same           one list again and again
--   post           two kilobytes
--   other FIRST    each time a list that nobody has asked for before, from that identifier on
--   each COUNT     the lists 1 to COUNT, one after another, and then from the start
--   any COUNT      any of the lists 1 to COUNT
--   credentials N  one list with any of N credentials
local threads = 0

function setup(thread)
    thread:set("number", threads)
    threads = threads + 1
end

function init(arguments)
    if arguments[1] == "post" then
        wrk.method = "POST"
        wrk.headers["Content-Type"] = "application/json"
        wrk.body = '{"message":"' .. string.rep("x", 2000) .. '"}'
    elseif arguments[1] == "other" then
        local id = tonumber(arguments[2]) + number * 1000000
        request = function()
            id = id + 1
            return wrk.format("GET", wrk.path .. id)
        end
    elseif arguments[1] == "each" then
        -- Each of the two threads takes every other one.
        local count, id = tonumber(arguments[2]), number
        request = function()
            id = id + 2
            return wrk.format("GET", wrk.path .. (id - 2) % count + 1)
        end
    elseif arguments[1] == "any" then
        local count = tonumber(arguments[2])
        math.randomseed(number)
        request = function()
            return wrk.format("GET", wrk.path .. math.random(count))
        end
    elseif arguments[1] == "credentials" then
        local count = tonumber(arguments[2])
        math.randomseed(number)
        local padding = string.rep("c", 170)
        request = function()
            wrk.headers["Authorization"] = "Bearer " .. padding .. math.random(count)
            return wrk.format("GET")
        end
    end
end

-- One line of JSON; times in microseconds.
function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '\n{"requests":%d,"seconds":%.6f,"p50":%.1f,"p99":%.1f,"p999":%.1f,"failed":%d}\n',
        summary.requests,
        summary.duration / 1e6,
        latency:percentile(50),
        latency:percentile(99),
        latency:percentile(99.9),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout
    ))
end
