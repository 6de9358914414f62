-- Asks for the paths of a file, each time another one; the header that says who asks comes from a second file.
local threads = 0

function setup(thread)
    threads = threads + 1
    thread:set("seed", threads)
end

function init(args)
    math.randomseed(seed)
    wrk.headers["Accept"] = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
    if args[2] then
        wrk.headers["Authorization"] = io.lines(args[2])()
    end
    requests = {}
    for path in io.lines(args[1]) do
        requests[#requests + 1] = wrk.format("GET", path)
    end
end

function request()
    return requests[math.random(#requests)]
end

function done(summary)
    local errors = summary.errors
    print(string.format("measured %d requests %d bytes %d microseconds %d errors", summary.requests, summary.bytes,
        summary.duration, errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
