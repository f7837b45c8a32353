// flags: -lrt
// expect: What a signal says of who sent it, for senders other than kill and sigqueue: a thread's pthread_sigqueue, timers
// that have expired more than once, a message queue, a descriptor that is ready (SIGIO, also as a queued signal of the
// program's choice), a child that is stopped, goes on and ends. Each is taken twice: by a handler, and by sigtimedwait
// while it is blocked. Faults say where they are: right before and right behind a call, where a jump may have taken the
// place of the instruction, or behind a short jump that has been moved; the handler goes on behind it.
#include "guest.h"
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

static volatile int handled;
static siginfo_t told;

static void take(int sig, siginfo_t *info, void *context) {
    (void)context;
    CHECK(info->si_signo == sig, "siginfo");
    // A timer may have sent another one meanwhile.
    if (handled++ == 0)
        told = *info;
}

// The signal has been sent while it was blocked. It is taken by a wait, or by a handler.
static siginfo_t taken(int sig, int by_handler) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, sig);
    memset(&told, 0, sizeof told);
    if (!by_handler) {
        CHECK(sigtimedwait(&set, &told, &(struct timespec){LIMIT_MS / 1000, 0}) == sig, "sigtimedwait of %d", sig);
        return told;
    }
    handled = 0;
    sigset_t before;
    for (int i = 0; i < LOOKS && handled == 0; i++) {
        sigprocmask(SIG_UNBLOCK, &set, &before);
        sigprocmask(SIG_SETMASK, &before, NULL);
        if (handled == 0)
            usleep(1000);
    }
    CHECK(handled > 0, "%d: not handled", sig);
    return told;
}

static void *nothing(void *unused) { return unused; }

static void senders(int by) {
    const int queued = SIGRTMIN + 1;
    siginfo_t info;
    pthread_t thread;
    CHECK(pthread_sigqueue(pthread_self(), queued, (union sigval){.sival_int = 71}) == 0, "pthread_sigqueue");
    info = taken(queued, by);
    CHECK(info.si_pid == getpid() && info.si_uid == getuid(), "pthread_sigqueue from %d", info.si_pid);
    ok("pthread_sigqueue: code %d, value %d", info.si_code, info.si_value.sival_int);
    CHECK(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0, "a thread");

    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = queued, .sigev_value = {.sival_int = 72}};
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0, "timer_create");
    struct itimerspec often = {{0, 100000}, {0, 100000}}, never = {{0, 0}, {0, 0}};
    CHECK(timer_settime(timer, 0, &often, NULL) == 0, "timer_settime");
    usleep(3000);
    info = taken(queued, by);
    CHECK(info.si_overrun > 5, "overrun %d", info.si_overrun);
    ok("a timer: code %d, value %d", info.si_code, info.si_value.sival_int);
    CHECK(timer_settime(timer, 0, &never, NULL) == 0 && timer_delete(timer) == 0, "timer_settime");
    // Some kernels leave one there.
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, queued);
    while (sigtimedwait(&set, &info, &(struct timespec){0, 0}) == queued)
        ;

    char name[32];
    snprintf(name, sizeof name, "/signal_senders_%d", getpid());
    mqd_t queue = mq_open(name, O_CREAT | O_RDWR | O_EXCL, 0600, &(struct mq_attr){.mq_maxmsg = 2, .mq_msgsize = 8});
    if (queue == (mqd_t)-1)
        ok("no message queues: %d", errno);
    else {
        mq_unlink(name);
        event.sigev_value.sival_int = 73;
        CHECK(mq_notify(queue, &event) == 0 && mq_send(queue, "m", 1, 0) == 0, "mq_notify");
        info = taken(queued, by);
        CHECK(info.si_pid == getpid() && info.si_uid == getuid(), "mq_notify from %d", info.si_pid);
        ok("a message: code %d, value %d", info.si_code, info.si_value.sival_int);
        mq_close(queue);
    }

    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    for (int is_chosen = 0; is_chosen < 2; is_chosen++) {
        int sig = is_chosen ? queued : SIGIO;
        CHECK(fcntl(ends[0], F_SETOWN, getpid()) == 0 && fcntl(ends[0], F_SETSIG, is_chosen ? sig : 0) == 0, "fcntl");
        CHECK(fcntl(ends[0], F_SETFL, O_ASYNC) == 0 && write(ends[1], "x", 1) == 1, "O_ASYNC");
        info = taken(sig, by);
        ok("a descriptor: code %d, band %lx, the descriptor %d", info.si_code, is_chosen ? info.si_band : 0, is_chosen ? info.si_fd == ends[0] : 0);
        CHECK(fcntl(ends[0], F_SETFL, 0) == 0, "fcntl");
    }
    close(ends[0]);
    close(ends[1]);

    pid_t child = fork();
    if (child == 0) {
        end_with_parent();
        for (;;)
            pause();
    }
    static const int acts[] = {SIGSTOP, SIGCONT, SIGTERM};
    for (int i = 0; i < 3; i++) {
        int status;
        CHECK(kill(child, acts[i]) == 0, "kill");
        info = taken(SIGCHLD, by);
        CHECK(waitpid(child, &status, WUNTRACED | WCONTINUED) == child, "waitpid");
        CHECK(info.si_pid == child && info.si_uid == getuid(), "a child's from %d", info.si_pid);
        ok("a child: code %d, status %d, it waits as %x", info.si_code, info.si_status, status);
    }
}

// A call between two instructions that may fault, each as long as a jump.
__asm__(R"(
    .text
    .type near_call, @function
near_call:
    .cfi_startproc
    mov %rdi, %rax
    nop
near_before:
    mov 0x12345(%rsi), %r8d
near_begin:
    syscall
near_behind:
    mov 0x12345(%rdx), %r9d
near_end:
    ret
    .cfi_endproc
    .size near_call, .-near_call
    .fill 16, 1, 0xcc
    .type near_divide, @function
near_divide:
    .cfi_startproc
    mov %rdi, %rax
    mov %rdx, %r8
    syscall
    mov $1, %eax
    xor %edx, %edx
near_division:
    div %r8d
near_divided:
    ret
    .cfi_endproc
    .size near_divide, .-near_divide
    .fill 16, 1, 0xcc
    .type near_branches, @function
near_branches:
    .cfi_startproc
    test %rdi, %rdi
    jnz 1f                          # becomes longer when it is moved
near_number:
    mov (%rsi), %eax
near_numbered:
    syscall
    call 1f
    mov %eax, %r8d
    mov $102, %eax                  # getuid
    cmp %edi, %edi
    call 1f
    syscall
    jne 1f
near_result:
    mov (%rsi), %ecx
near_resulted:
    call 1f
    mov %r8d, %eax
1:  ret
    .cfi_endproc
    .size near_branches, .-near_branches
)");
long near_call(long nr, const void *before, const void *behind);
long near_divide(long nr, long unused, long by);
long near_branches(long none, const int *nr);
extern char near_number[], near_numbered[], near_result[], near_resulted[];
extern char near_before[], near_begin[], near_behind[], near_end[], near_division[], near_divided[];
static char *volatile at, *volatile address;

static void go_on(int sig, siginfo_t *info, void *given) {
    greg_t *regs = ((ucontext_t *)given)->uc_mcontext.gregs;
    told = *info;
    at = (char *)regs[REG_RIP];
    address = info->si_addr;
    if (at == near_number) {
        regs[REG_RAX] = SYS_getppid;
        regs[REG_RIP] = (greg_t)near_numbered;
    } else if (at == near_result)
        regs[REG_RIP] = (greg_t)near_resulted;
    else if (sig == SIGFPE || at == near_behind)
        regs[REG_RIP] = (greg_t)(sig == SIGFPE ? near_divided : near_end);
    else
        regs[REG_RIP] = (greg_t)near_begin;
    handled++;
}

static void faults(void) {
    static const char good[0x12400];
    struct sigaction action = {.sa_sigaction = go_on, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0 && sigaction(SIGFPE, &action, NULL) == 0, "sigaction");
    for (int i = 0; i < 100; i++) {
        handled = 0;
        CHECK(near_call(SYS_getppid, good, good) == getppid() && handled == 0, "no fault");
        CHECK(near_call(SYS_getppid, NULL, good) == getppid() && handled == 1, "before: handled %d", handled);
        CHECK(at == near_before && address == (char *)0x12345, "before: at %p, not %p, address %p", at, (void *)near_before, address);
        CHECK(near_call(SYS_getppid, good, NULL) == getppid() && handled == 2, "behind: handled %d", handled);
        CHECK(at == near_behind && address == (char *)0x12345, "behind: at %p, not %p, address %p", at, (void *)near_behind, address);
        CHECK(near_branches(0, NULL) == getppid() && handled == 4, "behind branches: handled %d", handled);
        CHECK(at == near_result, "behind branches: at %p, not %p", at, (void *)near_result);
        near_divide(SYS_getppid, 0, 0);
        CHECK(handled == 5 && at == near_division && address == near_division, "a division: at %p, not %p, address %p", at, (void *)near_division, address);
    }
    ok("faults beside a call: code %d", told.si_code);
}

int main(void) {
    sigset_t set;
    sigemptyset(&set);
    const int sigs[] = {SIGRTMIN + 1, SIGIO, SIGCHLD};
    for (int i = 0; i < 3; i++) {
        struct sigaction action = {.sa_sigaction = take, .sa_flags = SA_SIGINFO};
        CHECK(sigaction(sigs[i], &action, NULL) == 0, "sigaction");
        sigaddset(&set, sigs[i]);
    }
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0, "sigprocmask");
    senders(0);
    senders(1);
    faults();
    return 0;
}
