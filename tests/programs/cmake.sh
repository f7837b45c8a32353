# needs: cmake cc make
printf '#include <stdio.h>\nint main(void) { puts("built"); return 2; }\n' > main.c
cat > CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.13)
project(small C)
find_package(Threads REQUIRED)
add_executable(small main.c)
target_link_libraries(small Threads::Threads)
enable_testing()
add_test(NAME ends_with_two COMMAND sh -c "./small; test $? = 2")
CMAKE
cmake -S . -B build > log && cmake --build build -j 2 > log && build/small; echo $?
cd build && ctest 2>&1 | grep -E 'Passed|100%' | sed 's/[0-9.]* sec.*//'
cmake -E md5sum ../main.c; cmake -E capabilities > /dev/null; echo $?; cmake -P /nonexistent 2> /dev/null; echo $?
