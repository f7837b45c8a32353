// expect: Programs that want their text on huge pages copy it, map anonymous memory in its place, and copy it back; or
// they move the copy there. What they copy are our patches, which work at the same place as before: calls are made,
// handlers see the address behind a site, and nothing differs from a native run.
// musl: yes
#include "guest.h"
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { PAGE = 4096, PAGES = 3 };

// A site, in pages that nothing else is in.
__asm__(R"(
    .text
    .balign 4096
    .globl moved_text
moved_text:
    .skip 4096, 0xcc
    .globl moved_call
    .type moved_call, @function
moved_call:
    .cfi_startproc
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    syscall
    .globl moved_call_end
moved_call_end:
    ret
    .cfi_endproc
    .size moved_call, .-moved_call
    .balign 4096
    .skip 4096, 0xcc
)");
extern char moved_text[], moved_call_end[];
long moved_call(long nr, long a, long b, long c);

static volatile uintptr_t handler_saw;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    handler_saw = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
}

static void check(const char *when) {
    for (int i = 0; i < 3; i++)
        CHECK(moved_call(SYS_getpid, 0, 0, 0) == getpid(), "getpid %s", when);
    CHECK(moved_call(SYS_close, -1, 0, 0) == -EBADF, "close %s", when);
    handler_saw = 0;
    CHECK(moved_call(SYS_tgkill, getpid(), moved_call(SYS_gettid, 0, 0, 0), SIGUSR1) == 0, "tgkill %s", when);
    CHECK(handler_saw == (uintptr_t)moved_call_end, "a handler sees %#zx %s", handler_saw, when);
    ok("%s", when);
}

static char *copy_of_text(void) {
    char *copy = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(copy != MAP_FAILED, "mmap");
    memcpy(copy, moved_text, PAGES * PAGE);
    return copy;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0, "sigaction");
    check("at start");

    char *copy = copy_of_text();
    char *text = mmap(moved_text, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    CHECK(text == moved_text, "mmap at a place");
    // Kernels without huge pages refuse.
    madvise(text, PAGES * PAGE, MADV_HUGEPAGE);
    memcpy(text, copy, PAGES * PAGE);
    CHECK(mprotect(text, PAGES * PAGE, PROT_READ | PROT_EXEC) == 0, "mprotect");
    check("copied back");

    copy = copy_of_text();
    madvise(copy, PAGES * PAGE, MADV_HUGEPAGE);
    CHECK(mprotect(copy, PAGES * PAGE, PROT_READ | PROT_EXEC) == 0, "mprotect");
    text = mremap(copy, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, moved_text);
    CHECK(text == moved_text, "mremap");
    check("moved there");
    return 0;
}
