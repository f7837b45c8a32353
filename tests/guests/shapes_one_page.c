// flags: -Wl,-z,separate-code,-z,max-page-size=4096,--section-start=.init=0x1d00
// expect: A program and a library (libshapes_one_page.so, found next to it) so small that their code begins in the same
// page of the file as the headers, as lld puts it: two mappings have the file's beginning. Each makes a call that no
// kernel knows; `counts` looks for both in a trace.
#include "guest.h"
#include "proc.h"
#include <dlfcn.h>

static long call_of_program(long nr) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(nr) : "rcx", "r11", "memory");
    return result;
}

int main(void) {
    void *library = dlopen(beside_program("libshapes_one_page.so"), RTLD_NOW);
    CHECK(library, "dlopen: %s", dlerror());
    long (*call_of_library)(long) = (long (*)(long))dlsym(library, "call_of_library");
    ok("program %ld, library %ld", call_of_program(5002), call_of_library(5003));
    return 0;
}
