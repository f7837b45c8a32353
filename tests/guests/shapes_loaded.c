// flags: -ldl
// expect: The shapes of `shapes_branches` in a library (libshapes_loaded.so, found next to the guest) that is loaded while
// the program runs: when its text is mapped, its jump tables are not there yet, nor have those of addresses been
// relocated.
// musl: yes
#include "proc.h"
#include <dlfcn.h>

int main(void) {
    void *handle = dlopen(beside_program("libshapes_loaded.so"), RTLD_NOW);
    CHECK(handle, "%s", dlerror());
    int (*shapes)(void) = (int (*)(void))dlsym(handle, "shapes_main");
    CHECK(shapes, "%s", dlerror());
    return shapes();
}
