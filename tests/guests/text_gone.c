// flags: -ldl
// expect: A library whose call may have been replaced by an illegal instruction (libtext_gone.so, found next to the
// guest) is unloaded, and the program puts an illegal instruction of its own at the very same address, as compilers of
// WebAssembly do for what must not be reached. Its SIGILL arrives, with its address. Then the same where its text was
// unmapped page by page, upwards.
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

static char *library(char **handle, const char *function, const char *name) {
    *handle = dlopen(beside_program("libtext_gone.so"), RTLD_NOW);
    CHECK(*handle, "%s", dlerror());
    long (*call)(int, int) = (long (*)(int, int))dlsym(*handle, function);
    char *site = dlsym(*handle, name);
    CHECK(call && site, "%s", dlerror());
    CHECK(call(SYS_getpid, 3) == getpid(), "a call in the library");
    CHECK(illegal == 0, "SIGILL at %#zx", illegal);
    return site;
}

// Where the text was that begins with a page and has `pages` of them.
static void put_illegal(char *page, size_t pages, char *site) {
    char *got = mmap(page, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    CHECK(got == page, "mmap");
    memcpy(site, "\x0f\x0b\xc3", 3);
    CHECK(mprotect(page, pages * PAGE, PROT_READ | PROT_EXEC) == 0, "mprotect");
    ((void (*)(void))site)();
    CHECK(illegal == (uintptr_t)site, "SIGILL at %#zx, not at %p", illegal, (void *)site);
    illegal = 0;
}

static char *page_of(char *address) { return address - (uintptr_t)address % PAGE; }

int main(void) {
    struct sigaction action = {.sa_sigaction = on_illegal, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGILL, &action, NULL) == 0, "sigaction");
    char *handle, *site = library(&handle, "gone_call", "gone_site");
    dlclose(handle);
    put_illegal(page_of(site), 2, site);
    ok("an illegal instruction where a library was");

    site = library(&handle, "gone_call", "gone_site");
    CHECK(munmap(page_of(site), PAGE) == 0, "munmap");
    put_illegal(page_of(site), 1, site);
    site = dlsym(handle, "later_site");
    CHECK(munmap(page_of(site), PAGE) == 0, "munmap");
    put_illegal(page_of(site), 1, site);
    ok("page by page");
    return 0;
}
