// expect: All six arguments must arrive, and in order; the fourth travels in r10, and pointers to structures of two
// words are easily lost. Calls that use five or six, where each wrong argument changes the result: mmap of a file at
// an offset, pselect6 with its packed mask, futex with a timeout and a bitset and with a second word, copy_file_range
// and splice with two offsets, preadv2, clone3 aside. The same through libc's syscall().
// musl: yes
#include "guest.h"
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/uio.h>
#include <time.h>

enum { FUTEX_WAIT = 0, FUTEX_REQUEUE = 3, FUTEX_CMP_REQUEUE = 4, FUTEX_WAKE_OP = 5, FUTEX_WAIT_BITSET = 9 };

typedef long (*caller)(long nr, long a, long b, long c, long d, long e, long f);

static long by_libc(long nr, long a, long b, long c, long d, long e, long f) {
    long ret = syscall(nr, a, b, c, d, e, f);
    return ret == -1 ? -errno : ret;
}

static volatile int handled;
static void on_usr1(int sig) {
    (void)sig;
    handled++;
}

static void all(const char *name, caller call) {
    int fd = memfd_create("pages", 0), other = memfd_create("copy", 0);
    char *page = malloc(4096), buffer[64];
    for (int i = 0; i < 4; i++) {
        memset(page, 'a' + i, 4096);
        CHECK(write(fd, page, 4096) == 4096, "write");
    }
    char *mapped = (char *)call(SYS_mmap, 0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 4096);
    CHECK((unsigned long)mapped < -4095ul && mapped[0] == 'b' && mapped[8191] == 'c', "mmap");
    long moved = call(SYS_mmap, (long)mapped, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 12288);
    CHECK(moved == (long)mapped && mapped[0] == 'd' && mapped[4096] == 'c', "mmap with MAP_FIXED");
    CHECK(call(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, fd, 5) == -EINVAL, "mmap at an odd offset");
    CHECK(call(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, -1, 0) == -EBADF, "mmap of no file");
    CHECK(call(SYS_munmap, (long)mapped, 8192, 1, 2, 3, 4) == 0, "munmap");

    // A pending signal that only the sixth argument's mask lets in.
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    handled = 0;
    raise(SIGUSR1);
    struct {
        const void *mask;
        size_t size;
    } packed = {&before, 8};
    struct timespec limit = {30, 0}, soon = {0, 1000000};
    CHECK(call(SYS_pselect6, 0, 0, 0, 0, (long)&limit, (long)&packed) == -EINTR && handled == 1, "pselect6");
    packed.size = 7;
    CHECK(call(SYS_pselect6, 0, 0, 0, 0, (long)&limit, (long)&packed) == -EINVAL, "pselect6 with a short mask");
    int ends[2];
    CHECK(pipe(ends) == 0, "pipe");
    fd_set readable, writable, exceptional;
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_ZERO(&exceptional);
    FD_SET(ends[0], &readable), FD_SET(ends[1], &writable), FD_SET(ends[0], &exceptional);
    CHECK(call(SYS_pselect6, ends[1] + 1, (long)&readable, (long)&writable, (long)&exceptional, (long)&soon, 0) == 1,
          "pselect6 of three sets");
    CHECK(!FD_ISSET(ends[0], &readable) && FD_ISSET(ends[1], &writable) && !FD_ISSET(ends[0], &exceptional), "sets");
    sigprocmask(SIG_SETMASK, &before, NULL);

    static int word, second;
    word = 5, second = 7;
    CHECK(call(SYS_futex, (long)&word, FUTEX_WAIT, 4, (long)&limit, 0, 0) == -EAGAIN, "futex of another value");
    CHECK(call(SYS_futex, (long)&word, FUTEX_WAIT, 5, (long)&soon, 0, 0) == -ETIMEDOUT, "futex with a timeout");
    struct timespec past = {1, 0};
    CHECK(call(SYS_futex, (long)&word, FUTEX_WAIT_BITSET, 5, (long)&past, 0, -1) == -ETIMEDOUT, "absolute timeout");
    CHECK(call(SYS_futex, (long)&word, FUTEX_WAIT_BITSET, 5, (long)&past, 0, 0) == -EINVAL, "empty bitset");
    CHECK(call(SYS_futex, (long)&word, FUTEX_CMP_REQUEUE, 0, 0, (long)&second, 6) == -EAGAIN, "requeue of another value");
    CHECK(call(SYS_futex, (long)&word, FUTEX_CMP_REQUEUE, 0, 0, (long)&second, 5) == 0, "requeue");
    // second = 9, and compare its old value with 7
    CHECK(call(SYS_futex, (long)&word, FUTEX_WAKE_OP, 1, 1, (long)&second, 9 << 12 | 7) == 0 && second == 9, "wake op");

    long from = 4096 - 2, to = 3;
    CHECK(call(SYS_copy_file_range, fd, (long)&from, other, (long)&to, 4, 0) == 4, "copy_file_range");
    CHECK(from == 4098 && to == 7, "offsets %ld %ld", from, to);
    CHECK(pread(other, buffer, 64, 0) == 7 && !memcmp(buffer, "\0\0\0aabb", 7), "what was copied");
    CHECK(call(SYS_copy_file_range, fd, (long)&from, other, (long)&to, 4, 1) == -EINVAL, "flags");
    from = 8190;
    CHECK(call(SYS_splice, fd, (long)&from, ends[1], 0, 5, 0) == 5 && from == 8195, "splice");
    CHECK(read(ends[0], buffer, 64) == 5 && !memcmp(buffer, "bbccc", 5), "what was spliced");
    struct iovec parts[2] = {{buffer, 1}, {buffer + 1, 3}};
    CHECK(call(SYS_preadv2, fd, (long)parts, 2, 4094, 0, 0) == 4 && !memcmp(buffer, "aabb", 4), "preadv2");
    CHECK(call(SYS_preadv2, fd, (long)parts, 2, 4094, 0, 0x40000000) == -EOPNOTSUPP, "preadv2 with unknown flags");
    close(fd), close(other), close(ends[0]), close(ends[1]);
    free(page);
    ok("six arguments %s", name);
}

int main(void) {
    struct sigaction action = {.sa_handler = on_usr1};
    sigaction(SIGUSR1, &action, NULL);
    all("by own instruction", raw6);
    all("through libc's syscall()", by_libc);
    return 0;
}
