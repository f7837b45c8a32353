// expect: Signals hit every instruction of a stub, an entry and a way back sooner or later. A 1 kHz timer, whose
// handler makes calls and leaves the vector registers in disorder, interrupts a loop that makes calls of many kinds
// and verifies each result and errno, with another thread doing the same; 300 signals are taken. errno of the
// interrupted code is kept by the handler; values in registers across calls are checked through a sum.
// musl: yes
#include "guest.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>

static volatile int handled;
static int null, zero;

static void interrupt(int sig) {
    (void)sig;
    int saved = errno;
    char bytes[256];
    memset(bytes, 0xee, sizeof bytes);
    __asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n\t"
                     "movdqa %%xmm0, %%xmm5\n\t"
                     "movdqa %%xmm0, %%xmm15" ::: "xmm0", "xmm5", "xmm15");
    CHECK(raw0(SYS_getpid) == getpid(), "getpid in handler");
    CHECK(write(null, bytes, sizeof bytes) == sizeof bytes, "write in handler");
    CHECK(close(-1) == -1 && errno == EBADF, "close in handler");
    errno = saved;
    handled++;
}

static unsigned long work(void) {
    char buffer[64], path[64];
    int ends[2];
    struct stat info;
    struct iovec parts[3] = {{buffer, 16}, {buffer + 16, 16}, {buffer + 32, 32}};
    unsigned long sum = 0;
    CHECK(pipe(ends) == 0, "pipe");
    for (unsigned i = 0; i < 10; i++) {
        memset(buffer, (int)i + 1, sizeof buffer);
        CHECK(writev(ends[1], parts, 3) == 64, "writev");
        memset(buffer, 0, sizeof buffer);
        CHECK(read(ends[0], buffer, 64) == 64 && buffer[0] == (char)(i + 1) && buffer[63] == buffer[0], "read");
        CHECK(pread(zero, buffer, 64, 7) == 64 && buffer[5] == 0, "pread");
        CHECK(fstat(null, &info) == 0 && S_ISCHR(info.st_mode), "fstat");
        CHECK(readlink("/proc/self/nothing", path, sizeof path) == -1 && errno == ENOENT, "readlink");
        CHECK(lseek(ends[0], 0, SEEK_SET) == -1 && errno == ESPIPE, "lseek");
        int copy = dup(ends[0]);
        CHECK(copy >= 0 && close(copy) == 0, "dup and close");
        char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(page != MAP_FAILED && page[4096] == 0, "mmap");
        page[4096] = 1;
        CHECK(mprotect(page, 4096, PROT_READ) == 0 && munmap(page, 8192) == 0, "mprotect and munmap");
        CHECK(raw0(1000) == -ENOSYS, "no such call");
        for (unsigned j = 0; j < 50; j++)
            sum = sum * 3 + (unsigned long)(raw3(SYS_write, null, buffer, j) + raw1(SYS_close, -1));
    }
    close(ends[0]);
    close(ends[1]);
    return sum;
}

static volatile int stop;
static void *work_all_the_time(void *expected) {
    sigset_t alarm_only;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
    while (!stop)
        CHECK(work() == *(unsigned long *)expected, "sum in the other thread");
    return NULL;
}

int main(void) {
    null = open("/dev/null", O_WRONLY);
    zero = open("/dev/zero", O_RDONLY);
    unsigned long expected = work();
    struct sigaction action = {.sa_handler = interrupt, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    pthread_t other;
    pthread_create(&other, NULL, work_all_the_time, &expected);
    struct itimerval period = {{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &period, NULL);
    while (handled < 300)
        CHECK(work() == expected, "sum after %d signals", handled);
    stop = 1;
    pthread_join(other, NULL);
    ok("calls of many kinds under 300 signals, sum %lx", expected);
    return 0;
}
