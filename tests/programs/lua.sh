# needs: lua5.4
exec lua5.4 -e '
local pipe = io.popen("echo from a shell; exit 3"); print(pipe:read("a"), select(3, pipe:close()))
print(os.execute("kill -TERM $$"))
local file = assert(io.open("file", "w")); for n = 1, 10000 do file:write(n, "\n") end; file:close()
local sum = 0; for line in io.lines("file") do sum = sum + tonumber(line) end; print(sum)
print(io.open("/nonexistent")); print(os.rename("file", "other"), os.remove("other"), os.remove("other"))
local routine = coroutine.wrap(function() for n = 1, 3 do coroutine.yield(n) end end); print(routine(), routine(), routine())
print(pcall(function() local function deep() return 1 + deep() end return deep() end) == false)
collectgarbage(); os.exit(5)'
