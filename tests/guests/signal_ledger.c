// expect: A storm, with a ledger. Two threads send signals to a third one that makes calls of all kinds at full speed,
// with handlers that make calls and interrupt each other: real-time signals to the thread and to the process, which
// are all handled, once, in the order in which each sender queued them; standard signals, of which several become
// one, but never none after the last was sent. Calls return what they should, blocking ones are restarted when all
// actions say so and fail with EINTR only when one does not, and no register changes over a call. STORM=COUNT sends that
// many; the default is what a test has time for.
// musl: yes
// ends: 0
#include "kept_registers.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

enum { SENDERS = 2, QUEUED = 4, STANDARD = 3 };
// Most signals of a kind that wait: all processes of a user share one limit.
enum { WAITING = 50 };

// For each number and sender, what was sent and what came.
static volatile unsigned long sent[SENDERS][QUEUED], came[SENDERS][QUEUED];
// Standard signals: how many were sent when a handler last began, and how many were handled.
static volatile unsigned long sent_standard[STANDARD], seen[STANDARD], handled[STANDARD];
static const int standard[STANDARD] = {SIGUSR1, SIGURG, SIGTERM};

static volatile pid_t target;
static volatile int done_senders, is_over, are_gone, wants_byte;
static int byte_pipe[2], null;
static unsigned long goal = 12000;
static long pid;

// Makes a call with known registers and checks that none changed: 0, or which one did.
long checked_call(long nr, long a, long b, long c, long *result);
__asm__(R"(
    .text
    .type checked_call, @function
checked_call:
    .cfi_startproc
    push_kept
    push %r8
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    mov %rdi, %rbx
    mov %rsi, %rbp
    mov %rdx, %r12
    mov %rsp, %r13
    mov $0x14141414, %r14d
    mov $0x15151515, %r15d
    mov $0x10101010, %r10d
    mov $0x08080808, %r8d
    mov $0x09090909, %r9d
    movd %r14d, %xmm2
    movd %r15d, %xmm14
    stc
    syscall
    mov $1, %ecx
    jnc 9f
    mov $2, %ecx
    cmp %rdi, %rbx
    jne 9f
    cmp %rsi, %rbp
    jne 9f
    cmp %rdx, %r12
    jne 9f
    mov $3, %ecx
    cmp %rsp, %r13
    jne 9f
    mov $4, %ecx
    cmp $0x14141414, %r14
    jne 9f
    cmp $0x15151515, %r15
    jne 9f
    mov $5, %ecx
    cmp $0x10101010, %r10
    jne 9f
    cmp $0x08080808, %r8
    jne 9f
    cmp $0x09090909, %r9
    jne 9f
    mov $6, %ecx
    movd %xmm2, %r11d
    cmp %r11d, %r14d
    jne 9f
    movd %xmm14, %r11d
    cmp %r11d, %r15d
    jne 9f
    xor %ecx, %ecx
9:  pop %r8
    mov %rax, (%r8)
    movslq %ecx, %rax
    pop_kept
    ret
    .cfi_endproc
    .size checked_call, .-checked_call
)");

static void provide_byte(void) {
    if (wants_byte) {
        wants_byte = 0;
        CHECK(raw3(SYS_write, byte_pipe[1], "x", 1) == 1, "write in a handler");
    }
}

static void take_queued(int sig, siginfo_t *info, void *context) {
    (void)context;
    int saved = errno;
    int index = sig - SIGRTMIN;
    unsigned value = (unsigned)info->si_value.sival_int, sender = value >> 31, number = value & 0x7fffffff;
    CHECK(info->si_signo == sig && info->si_code == SI_QUEUE && info->si_pid == pid, "siginfo of %d", sig);
    CHECK(number == came[sender][index], "signal %d, sender %u: number %u came, not %lu", sig, sender, number,
          came[sender][index]);
    came[sender][index] = number + 1;
    __asm__ volatile("pcmpeqd %%xmm2, %%xmm2; pcmpeqd %%xmm14, %%xmm14" ::: "xmm2", "xmm14");
    CHECK(raw0(SYS_getpid) == pid, "getpid in a handler");
    CHECK(close(-1) == -1 && errno == EBADF, "close in a handler");
    provide_byte();
    errno = saved;
}

static void take_standard(int sig) {
    int saved = errno;
    int index = sig == SIGUSR1 ? 0 : sig == SIGURG ? 1 : 2;
    seen[index] = __atomic_load_n(&sent_standard[index], __ATOMIC_SEQ_CST);
    handled[index]++;
    CHECK(raw3(SYS_write, null, "ab", 2) == 2, "write in a handler");
    provide_byte();
    errno = saved;
}

static void queue(unsigned sender, int index) {
    siginfo_t info;
    while (sent[sender][index] - came[sender][index] >= WAITING)
        sched_yield();
    memset(&info, 0, sizeof info);
    info.si_signo = SIGRTMIN + index;
    info.si_code = SI_QUEUE;
    info.si_pid = (pid_t)pid;
    info.si_uid = getuid();
    info.si_value.sival_int = (int)(sender << 31 | (unsigned)sent[sender][index]);
    for (;;) {
        // The last number goes to the process, of which only one thread takes it.
        long ret = index == QUEUED - 1 ? raw3(SYS_rt_sigqueueinfo, pid, info.si_signo, &info)
                                       : raw4(SYS_rt_tgsigqueueinfo, pid, target, info.si_signo, &info);
        if (ret == 0)
            break;
        CHECK(ret == -EAGAIN, "queue: %ld", ret);
        sched_yield();
    }
    sent[sender][index]++;
}

static void kick(int index) {
    __atomic_fetch_add(&sent_standard[index], 1, __ATOMIC_SEQ_CST);
    CHECK(raw3(SYS_tgkill, pid, target, standard[index]) == 0, "tgkill");
}

static void *send_all(void *number) {
    unsigned sender = (unsigned)(uintptr_t)number, random = 12345 + sender;
    unsigned long left = goal / SENDERS;
    while (left) {
        random = random * 1103515245 + 12345;
        unsigned long burst = 1 + (random >> 16) % 6, kind = (random >> 24) % (QUEUED + STANDARD);
        for (; burst && left; burst--, left--)
            kind < QUEUED ? queue(sender, (int)kind) : kick((int)kind - QUEUED);
        if ((random >> 20) % 4 == 0)
            sched_yield();
    }
    __atomic_fetch_add(&done_senders, 1, __ATOMIC_SEQ_CST);
    // So that the other is not left waiting for one.
    while (!is_over) {
        kick(0);
        usleep(200);
    }
    return NULL;
}

static void install(int flags) {
    struct sigaction action = {.sa_sigaction = take_queued, .sa_flags = SA_SIGINFO | flags};
    for (int i = 0; i < QUEUED; i++)
        sigaction(SIGRTMIN + i, &action, NULL);
    struct sigaction other = {.sa_handler = take_standard, .sa_flags = flags};
    for (int i = 0; i < STANDARD; i++)
        sigaction(standard[i], &other, NULL);
}

static void must(long ret, long expected, int may_be_interrupted, const char *what) {
    CHECK(ret == expected || (may_be_interrupted && ret == -EINTR), "%s: %ld", what, ret);
}

static void one_of_all(int kind, int is_restarted) {
    static int word;
    char buffer[8];
    long ret;
    struct timespec moment = {0, 20000};
    sigset_t usr1, empty, old;
    sigemptyset(&empty);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    switch (kind) {
    default: {
        long which = checked_call(SYS_getppid, 1, 2, 3, &ret);
        CHECK(which == 0 && ret == (long)getppid(), "registers: %ld changed, result %ld", which, ret);
        break;
    }
    case 1: {
        long which = checked_call(SYS_write, null, (long)buffer, 8, &ret);
        CHECK(which == 0 && ret == 8, "registers: %ld changed, result %ld", which, ret);
        break;
    }
    case 2: {
        wants_byte = 1;
        long which;
        do
            which = checked_call(SYS_read, byte_pipe[0], (long)buffer, 1, &ret);
        while (which == 0 && ret == -EINTR && !is_restarted);
        CHECK(which == 0 && ret == 1 && buffer[0] == 'x', "read: %ld changed, result %ld", which, ret);
        break;
    }
    case 3: must(raw3(SYS_poll, 0, 0, 1), 0, 1, "poll"); break;
    case 4:
        while (nanosleep(&moment, &moment) == -1)
            CHECK(errno == EINTR, "nanosleep");
        break;
    case 5: must(raw4(SYS_futex, &word, 0, 0, &moment), -ETIMEDOUT, 1, "futex"); break;
    case 6:
        CHECK(sigprocmask(SIG_BLOCK, &usr1, &old) == 0 && !sigismember(&old, SIGUSR1), "sigprocmask");
        must(raw6(SYS_ppoll, 0, 0, (long)&moment, (long)&empty, 8, 0), 0, 1, "ppoll");
        CHECK(sigprocmask(SIG_SETMASK, &old, &usr1) == 0 && sigismember(&usr1, SIGUSR1), "the mask is back");
        break;
    case 7: CHECK(close(-1) == -1 && errno == EBADF, "close"); break;
    case 8: {
        char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(page != MAP_FAILED, "mmap");
        page[0] = 1;
        CHECK(munmap(page, 4096) == 0, "munmap");
        break;
    }
    case 9: {
        struct sigaction action;
        CHECK(sigaction(SIGTERM, NULL, &action) == 0 && action.sa_handler == take_standard, "sigaction");
        CHECK(sigaction(SIGTERM, &action, NULL) == 0, "sigaction");
        break;
    }
    case 10: {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += 20000;
        if (until.tv_nsec > 999999999)
            until.tv_nsec = 999999999;
        must(raw4(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL), 0, 1, "clock_nanosleep");
        break;
    }
    }
}

static void *be_hit(void *flags) {
    sigset_t none;
    target = (pid_t)raw0(SYS_gettid);
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    for (unsigned i = 0; done_senders < SENDERS; i++)
        one_of_all(i % 16 < 11 ? (int)(i % 16) : 0, flags != NULL);
    is_over = 1;
    while (!are_gone)
        raw0(SYS_getppid);
    return NULL;
}

static void storm(int flags) {
    memset((void *)sent, 0, sizeof sent);
    memset((void *)came, 0, sizeof came);
    memset((void *)sent_standard, 0, sizeof sent_standard);
    memset((void *)handled, 0, sizeof handled);
    memset((void *)seen, 0, sizeof seen);
    done_senders = is_over = are_gone = wants_byte = target = 0;
    install(flags);
    pthread_t hit, senders[SENDERS];
    pthread_create(&hit, NULL, be_hit, (void *)(uintptr_t)flags);
    while (!target)
        sched_yield();
    for (uintptr_t i = 0; i < SENDERS; i++)
        pthread_create(&senders[i], NULL, send_all, (void *)i);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(senders[i], NULL);
    are_gone = 1;
    pthread_join(hit, NULL);
    unsigned long queued = 0, kicked = 0, handled_standard = 0;
    for (int i = 0; i < QUEUED; i++)
        for (int sender = 0; sender < SENDERS; sender++) {
            CHECK(came[sender][i] == sent[sender][i], "signal %d, sender %d: %lu sent, %lu handled", SIGRTMIN + i, sender,
                  sent[sender][i], came[sender][i]);
            queued += sent[sender][i];
        }
    for (int i = 0; i < STANDARD; i++)
        CHECK(seen[i] == sent_standard[i], "signal %d: %lu sent, none handled after %lu", standard[i], sent_standard[i],
              seen[i]);
    for (int i = 0; i < STANDARD; i++) {
        CHECK(handled[i] <= sent_standard[i] && handled[i] > 0, "signal %d: %lu sent, %lu handled", standard[i],
              sent_standard[i], handled[i]);
        kicked += sent_standard[i];
        handled_standard += handled[i];
    }
    if (getenv("STORM"))
        fprintf(stderr, "%lu queued and handled, %lu sent of which %lu handled and %lu coalesced\n", queued, kicked,
                handled_standard, kicked - handled_standard);
}

int main(void) {
    const char *given = getenv("STORM");
    if (given)
        goal = strtoul(given, NULL, 10) / 2;
    pid = getpid();
    null = open("/dev/null", O_WRONLY);
    CHECK(pipe(byte_pipe) == 0, "pipe");
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    storm(SA_RESTART);
    ok("all signals accounted for, calls restarted");
    storm(0);
    ok("all signals accounted for, calls interrupted");
    return 0;
}
