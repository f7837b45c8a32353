// expect: The 128 bytes below rsp belong to leaf functions, and a call is no function call: a patch that pushes
// (or is a `call`) overwrites them. A leaf keeps 128 bytes there over several kinds of calls, while a 1 kHz timer
// runs a handler that fills its own stack and makes calls too: neither the calls nor the signals may touch them.
// musl: yes
#include "guest.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>

// long red_zone_kept(long nr, long a, long b, long c, long *ret): whether 16 words survive one call.
__asm__(R"(
    .text
    .type red_zone_kept, @function
red_zone_kept:
    .cfi_startproc
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    mov $0x5a5a1234a5a54321, %r9
    .irp n,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16
    lea \n(%r9), %r10
    mov %r10, -8*\n(%rsp)
    .endr
    syscall
    mov %rax, (%r8)
    xor %eax, %eax
    .irp n,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16
    lea \n(%r9), %r10
    cmp %r10, -8*\n(%rsp)
    jne 1f
    .endr
    inc %eax
1:  ret
    .cfi_endproc
    .size red_zone_kept, .-red_zone_kept
)");
long red_zone_kept(long nr, long a, long b, long c, long *ret);

static volatile int handled;

static void scribble(int sig) {
    volatile char bytes[2048];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i ^ (size_t)sig);
    raw0(SYS_getppid);
    handled++;
}

int main(void) {
    struct sigaction action = {.sa_handler = scribble, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval period = {{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &period, NULL);
    int null = open("/dev/null", O_WRONLY);
    long pid = getpid();
    for (int i = 0; i < 20000 || handled < 20; i++) {
        long ret;
        CHECK(red_zone_kept(SYS_getpid, 0, 0, 0, &ret), "getpid, round %d", i);
        CHECK(ret == pid, "getpid %ld", ret);
        CHECK(red_zone_kept(SYS_write, null, (long)"hello", 5, &ret), "write, round %d", i);
        CHECK(ret == 5, "write %ld", ret);
        CHECK(red_zone_kept(SYS_close, -1, 0, 0, &ret), "close, round %d", i);
        CHECK(ret == -EBADF, "close %ld", ret);
        CHECK(red_zone_kept(1000, 0, 0, 0, &ret), "no such call, round %d", i);
        CHECK(ret == -ENOSYS, "no such call %ld", ret);
        CHECK(red_zone_kept(SYS_sched_yield, 0, 0, 0, &ret), "sched_yield, round %d", i);
    }
    ok("red zone kept over calls and signals");
    return 0;
}
