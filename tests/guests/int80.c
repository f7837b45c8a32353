// expect: The 32-bit entry `int $0x80` also works in 64-bit programs, with other numbers and without clobbering rcx
// and r11; it is found and reported, not patched, so it must do what it does natively: getpid (20) gives the pid, a
// failing close an errno, rbx, rcx and r11 are kept. Where the kernel has no 32-bit entry, that is printed instead.
// musl: yes
#include "guest.h"
#include <setjmp.h>
#include <signal.h>

static sigjmp_buf back;
static void on_segv(int sig) { siglongjmp(back, sig); }

static long call32(int nr, long a) {
    long ret, rcx = 0x1111, rbx = a;
    register long r11 __asm__("r11") = 0x2222;
    __asm__ volatile("int $0x80" : "=a"(ret), "+b"(rbx), "+c"(rcx), "+r"(r11) : "a"(nr) : "memory");
    CHECK(rbx == a && rcx == 0x1111 && r11 == 0x2222, "rbx %lx, rcx %lx, r11 %lx", rbx, rcx, r11);
    return ret;
}

int main(void) {
    signal(SIGSEGV, on_segv);
    int sig = sigsetjmp(back, 1);
    if (sig) {
        ok("signal %d: no 32-bit entry here", sig);
        return 0;
    }
    for (int i = 0; i < 100; i++) {
        long pid = call32(20, 0), failed = call32(6, 0xffffffff), unknown = call32(4000, 0);
        if (pid == -ENOSYS) {
            ok("ENOSYS: no 32-bit entry here");
            return 0;
        }
        CHECK(pid == getpid(), "getpid %ld", pid);
        CHECK((int)failed == -EBADF && (int)unknown == -ENOSYS, "close %lx, no such call %lx", failed, unknown);
    }
    ok("calls by int 0x80");
    return 0;
}
