// flags: -ldl
// expect: A library with text that the dynamic linker writes to (libtext_relocated.so, found next to the guest): what it
// writes are addresses in the instructions around a site, and it writes them after the text has been mapped executable.
// The functions find what they refer to, also when the library is loaded again.
// musl: yes
#include "proc.h"
#include <dlfcn.h>

int main(void) {
    for (int round = 0; round < 3; round++) {
        void *handle = dlopen(beside_program("libtext_relocated.so"), RTLD_NOW);
        CHECK(handle, "%s", dlerror());
        int (*behind)(void) = (int (*)(void))dlsym(handle, "number_behind");
        int (*before)(void) = (int (*)(void))dlsym(handle, "number_before");
        CHECK(behind && before, "%s", dlerror());
        CHECK(behind() == 4711, "behind a site: %d", behind());
        CHECK(before() == 4711, "before a site: %d", before());
        CHECK(dlclose(handle) == 0, "%s", dlerror());
    }
    ok("relocated text");
    return 0;
}
