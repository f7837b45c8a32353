// expect: A handler with SA_ONSTACK runs on the alternate stack and nowhere else, also on one of the smallest size
// the kernel accepts; sigaltstack tells so inside (SS_ONSTACK, changing it is EPERM) and gives back outside what was
// set. An interceptor that installs an alternate stack of its own, or needs more room than the frame, breaks it.
// Handlers make calls there, interrupt a blocking call, handle an overflow of the thread's stack and leave it by
// siglongjmp, a hundred times, in the main thread and in others.
// musl: yes
#include "guest.h"
#include <cpuid.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

static __thread sigjmp_buf back;
static __thread char *alternate;
static __thread size_t alternate_size;
static __thread volatile int handled;

static void check_place(void *local) {
    stack_t now;
    CHECK((char *)local >= alternate && (char *)local < alternate + alternate_size, "handler is elsewhere");
    CHECK(raw2(SYS_sigaltstack, 0, &now) == 0, "sigaltstack in handler");
    CHECK(now.ss_flags == SS_ONSTACK && now.ss_sp == alternate && now.ss_size == alternate_size,
          "in handler: flags %d, %zu bytes", now.ss_flags, now.ss_size);
    CHECK(raw2(SYS_sigaltstack, &now, 0) == -EPERM, "changed in handler");
    handled++;
}

static void on_usr1(int sig) {
    int local = sig;
    check_place(&local);
    CHECK(raw1(SYS_close, -1) == -EBADF, "close in handler");
}

static void on_segv(int sig) {
    int local = sig;
    check_place(&local);
    siglongjmp(back, 1);
}

static volatile int never;
__attribute__((noinline)) static int overflow(int depth) {
    volatile char frame[2048];
    frame[0] = (char)depth;
    if (never)
        return 0;
    return overflow(depth + 1) + frame[0];
}

static void use_stack(size_t size) {
    alternate_size = size;
    alternate = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t stack = {.ss_sp = alternate, .ss_size = size}, old;
    CHECK(sigaltstack(&stack, NULL) == 0, "sigaltstack of %zu bytes", size);
    CHECK(sigaltstack(NULL, &old) == 0 && old.ss_sp == alternate && old.ss_size == size && old.ss_flags == 0,
          "what was set is not given back");
}

static void disable_stack(void) {
    stack_t none = {.ss_flags = SS_DISABLE}, old;
    CHECK(sigaltstack(&none, &old) == 0 && old.ss_sp == alternate, "disable");
    CHECK(sigaltstack(NULL, &old) == 0 && old.ss_flags == SS_DISABLE, "flags %d after disable", old.ss_flags);
    munmap(alternate, alternate_size);
}

// What the kernel's frame takes. It says so since Linux 5.14; before, the processor says what its registers take, to
// which sigframe.h adds siginfo, context and alignment.
static size_t frame_size(void) {
    enum { OTHER = 640, WITHOUT_XSAVE = 2048 };
    unsigned told = getauxval(AT_MINSIGSTKSZ), eax, registers, ecx, edx;
    if (told)
        return told;
    int has_xsave = __get_cpuid(1, &eax, &registers, &ecx, &edx) && ecx & bit_OSXSAVE;
    if (!has_xsave || !__get_cpuid_count(0xd, 0, &eax, &registers, &ecx, &edx))
        return WITHOUT_XSAVE;
    return registers + OTHER > WITHOUT_XSAVE ? registers + OTHER : WITHOUT_XSAVE;
}

static void *all(void *unused) {
    stack_t old;
    CHECK(sigaltstack(NULL, &old) == 0 && old.ss_flags == SS_DISABLE, "an alternate stack is set already");
    use_stack(frame_size() + 1536); // the kernel's frame, and one for a small handler
    handled = 0;
    for (int i = 0; i < 100; i++)
        CHECK(pthread_kill(pthread_self(), SIGUSR1) == 0 && handled == i + 1, "%d handled", handled);
    disable_stack();

    use_stack(65536);
    handled = 0;
    for (volatile int i = 0; i < 100; i++) {
        if (sigsetjmp(back, 1) == 0)
            overflow(0);
        CHECK(handled == i + 1, "overflow was handled %d times", handled);
        CHECK(sigaltstack(NULL, &old) == 0 && old.ss_flags == 0, "still on the alternate stack after siglongjmp");
    }
    stack_t too_small = {.ss_sp = alternate, .ss_size = 100};
    CHECK(sigaltstack(&too_small, NULL) == -1 && errno == ENOMEM, "too small a stack");
    CHECK(raw2(SYS_sigaltstack, 8, 0) == -EFAULT, "bad pointer");
    disable_stack();
    return unused;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_usr1, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    action.sa_handler = on_segv;
    sigaction(SIGSEGV, &action, NULL);
    pthread_t threads[4];
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 131072);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], &attr, all, NULL) == 0, "pthread_create");
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ok("alternate stacks in threads");
    all(NULL);
    ok("alternate stack in the main thread");
    return 0;
}
