-- Tells what wrk has counted, for the measuring program to read; and, with the name of a list as the
-- argument, asks for one path of the list after the other. Without a list no function of this file
-- runs while wrk measures.

local requests, turn

function init(args)
    if not args[1] then return end
    requests, turn = {}, 0
    for path in io.lines(args[1]) do
        requests[#requests + 1] = wrk.format("GET", path)
    end
    request = function()
        turn = turn % #requests + 1
        return requests[turn]
    end
end

function done(summary)
    local failed = summary.errors
    io.write(string.format(
        "counted requests=%d micros=%d bytes=%d connect=%d read=%d write=%d timeout=%d status=%d\n",
        summary.requests, summary.duration, summary.bytes,
        failed.connect, failed.read, failed.write, failed.timeout, failed.status))
end
