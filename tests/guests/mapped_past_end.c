// expect: A mapping may be longer than its file: what is behind the end faults when it is touched, and only then. ld.so
// maps libraries so whose first segment is executable. A file with a function that makes a call is mapped executable,
// sixteen pages long: the function runs and returns what it should, and the second page raises SIGBUS. The same
// for a mapping that begins behind the end, and for one that is made executable later.
// musl: yes
#include "guest.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

enum { PAGE = 4096, PAGES = 16 };
static sigjmp_buf back;
static volatile int faults;

// mov $SYS_getpid, %eax; syscall; ret; and padding, for whoever looks for some.
static const unsigned char function[] = {0xb8, SYS_getpid, 0, 0, 0, 0x0f, 0x05, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc,
                                         0xcc, 0xcc,       0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc};

static void on_fault(int sig) {
    faults += sig == SIGBUS;
    siglongjmp(back, 1);
}

static void faults_at(const volatile char *address) {
    int before = faults;
    if (!sigsetjmp(back, 1))
        (void)*address;
    CHECK(faults == before + 1, "%d faults", faults - before);
}

static void check(const char *name, char *text) {
    CHECK(text != MAP_FAILED, "%s", name);
    for (int i = 0; i < 3; i++)
        CHECK(((long (*)(void))text)() == getpid(), "%s: the function's result", name);
    faults_at(text + PAGE);
    faults_at(text + PAGES * PAGE - 1);
    ok("%s", name);
}

int main(void) {
    struct sigaction action = {.sa_handler = on_fault};
    sigaction(SIGBUS, &action, NULL);
    int fd = memfd_create("short", 0);
    CHECK(fd >= 0 && write(fd, function, sizeof function) == sizeof function, "a file");
    check("mapped executable", mmap(NULL, PAGES * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0));
    check("mapped shared", mmap(NULL, PAGES * PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0));
    char *behind = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 4 * PAGE);
    CHECK(behind != MAP_FAILED, "mmap");
    faults_at(behind);
    ok("mapped behind the end");
    char *later = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(later != MAP_FAILED && mprotect(later, PAGES * PAGE, PROT_READ | PROT_EXEC) == 0, "mprotect");
    check("made executable later", later);
    return 0;
}
