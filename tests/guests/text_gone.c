// flags: -ldl
// expect: A library whose call may have been replaced by an illegal instruction (libtext_gone.so, found next to the
// guest) is unloaded, and the program puts an illegal instruction of its own at the very same address, as compilers of
// WebAssembly do for what must not be reached. Its SIGILL arrives, with its address.
#include "proc.h"
#include <dlfcn.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { PAGE = 4096 };

static volatile uintptr_t illegal;

static void on_illegal(int signal, siginfo_t *info, void *context) {
    (void)signal;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    illegal = (uintptr_t)info->si_addr;
    CHECK(illegal == (uintptr_t)registers[REG_RIP], "rip %#llx", registers[REG_RIP]);
    registers[REG_RIP] += 2;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_illegal, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGILL, &action, NULL) == 0, "sigaction");
    void *handle = dlopen(beside_program("libtext_gone.so"), RTLD_NOW);
    CHECK(handle, "%s", dlerror());
    long (*call)(int, int) = (long (*)(int, int))dlsym(handle, "gone_call");
    uintptr_t site = (uintptr_t)dlsym(handle, "gone_site");
    CHECK(call && site, "%s", dlerror());
    CHECK(call(SYS_getpid, 3) == getpid(), "a call in the library");
    CHECK(illegal == 0, "SIGILL at %#zx", illegal);
    dlclose(handle);

    char *page = (char *)(site & -(uintptr_t)PAGE);
    char *got = mmap(page, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    CHECK(got == page, "mmap");
    memcpy((char *)site, "\x0f\x0b\xc3", 3);
    CHECK(mprotect(page, 2 * PAGE, PROT_READ | PROT_EXEC) == 0, "mprotect");
    ((void (*)(void))site)();
    CHECK(illegal == site, "SIGILL at %#zx, not at %#zx", illegal, site);
    ok("an illegal instruction where a library was");
    return 0;
}
