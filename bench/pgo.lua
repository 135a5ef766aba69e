-- Uploads for bench/pgo, on one connection: a new file, an update of a version that is gone, a replacement,
-- and an update of what that has made. Counts the answers, since an upload that fails trains nothing.

local body = string.rep("0123456789abcdef", 256)
local turn, newest = 0, nil
local names = { "created", "replaced", "refused", "other" }
local threads = {}

function setup(thread)
    threads[#threads + 1] = thread
end

-- What `done` can read of a thread are its global numbers.
function init()
    created, replaced, refused, other = 0, 0, 0, 0
end

function request()
    local kind, round = turn % 4, math.floor(turn / 4)
    local path, fields = string.format("/replaced-%d.txt", round % 16), {}
    if kind == 0 then
        path = string.format("/new-%d/file-%d.txt", round % 64, round)
        fields["If-None-Match"] = "*"
    elseif kind == 1 then
        fields["If-Match"] = '"AAAAAAAAAAAAAAAAAAAAAA"'
    elseif kind == 3 then
        fields["If-Match"] = newest
    end
    turn = turn + 1
    return wrk.format("PUT", path, fields, body .. turn)
end

function response(status, headers)
    newest = headers["ETag"] or headers["etag"]
    if status == 201 then
        created = created + 1
    elseif status == 204 then
        replaced = replaced + 1
    elseif status == 412 then
        refused = refused + 1
    else
        other = other + 1
    end
end

function done()
    local counted = {}
    for place, name in ipairs(names) do
        local sum = 0
        for _, thread in ipairs(threads) do sum = sum + thread:get(name) end
        counted[place] = name .. "=" .. sum
    end
    io.write("uploads ", table.concat(counted, " "), "\n")
end
