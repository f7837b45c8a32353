# needs: luajit
# heavy: yes
luajit -e 'local ffi = require "ffi"
  ffi.cdef[[int getppid(void); typedef int (*order)(const void *, const void *); void qsort(void *, size_t, size_t, order);]]
  local sum = 0; for i = 1, 1e7 do sum = sum + i % 7 end; print(sum)
  local parent = ffi.C.getppid(); for i = 1, 10000 do assert(ffi.C.getppid() == parent) end
  local numbers = ffi.new("int[5]", 5, 3, 1, 4, 2)
  ffi.C.qsort(numbers, 5, 4, function(a, b) return ffi.cast("int *", a)[0] - ffi.cast("int *", b)[0] end)
  print(numbers[0], numbers[4], os.execute("exit 3")); os.exit(2)'
echo $?
