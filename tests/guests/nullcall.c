// expect: Mapping page 0 for a trampoline makes calls through null pointers jump into it instead of faulting.
// Calling a null function pointer, and ones near it as call numbers are, raises SIGSEGV with si_addr and RIP at that
// address; reading page 0 faults; mmap at 0 does what it does natively (printed); calls afterwards work.
// musl: yes
#include "guest.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

static sigjmp_buf back;
static void *volatile fault_address;
static volatile long fault_ip;

static void on_segv(int sig, siginfo_t *info, void *context) {
    (void)sig;
    fault_address = info->si_addr;
    fault_ip = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    siglongjmp(back, 1);
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    static const long targets[] = {0, 1, 39, 231, 462, 512, 4095};
    for (volatile size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        void (*volatile nowhere)(void) = (void (*)(void))targets[i];
        if (sigsetjmp(back, 1) == 0) {
            nowhere();
            differs("call of %ld returned", targets[i]);
        }
        CHECK(fault_address == (void *)targets[i], "call of %ld faults at %p", targets[i], fault_address);
        CHECK(fault_ip == targets[i], "call of %ld: RIP is %lx", targets[i], fault_ip);
        ok("call of %ld faults there", targets[i]);

        volatile char *volatile data = (volatile char *)targets[i];
        if (sigsetjmp(back, 1) == 0) {
            (void)*data;
            differs("read of %ld returned", targets[i]);
        }
        CHECK(fault_address == (void *)targets[i], "read of %ld faults at %p", targets[i], fault_address);
        ok("read of %ld faults there", targets[i]);
    }
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (page == MAP_FAILED)
        ok("mmap at 0: errno %d", errno);
    else
        ok("mmap at 0: succeeds");
    CHECK(raw0(SYS_getpid) == getpid(), "calls afterwards");
    return 0;
}
