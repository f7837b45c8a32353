// expect: A JIT writes code, makes it executable and later replaces it; bookkeeping that outlives the code
// patches, skips or restores the wrong bytes. A page is written with `mov $39, %eax; syscall; ret`, made executable
// and called; made writable again, and what is read there must be what the program wrote; rewritten with other code;
// unmapped, mapped again at the same address with other code; overmapped with MAP_FIXED; moved by mremap; the same
// with a mapping that is readable, writable and executable at once, rewritten while mapped; and with one page
// written through a second mapping of a memfd. Results must always be those of the code last written.
// musl: yes
#include "guest.h"
#include <sys/mman.h>

enum { SIZE = 4096 };
#define RW (PROT_READ | PROT_WRITE)
#define RX (PROT_READ | PROT_EXEC)

static const unsigned char call_getpid[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3};
static const unsigned char call_nothing[] = {0xb8, 0xe8, 0x03, 0, 0, 0x0f, 0x05, 0xc3}; // 1000
static const unsigned char constant[] = {0xb8, 0x67, 0x45, 0x23, 0x01, 0x90, 0x90, 0xc3};
static const unsigned char shifted[] = {0x90, 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3}; // one byte later

static long run(void *code) {
    long (*entry)(void) = (long (*)(void))code;
    __asm__ volatile("" ::: "memory");
    return entry();
}

static void *map(void *at, int prot, int flags) {
    void *p = mmap(at, SIZE, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    CHECK(p != MAP_FAILED && (!at || p == at), "mmap at %p", at);
    return p;
}

static void protect(void *code, int prot) { CHECK(mprotect(code, SIZE, prot) == 0, "mprotect %d", prot); }

int main(void) {
    long pid = getpid();
    void *code = map(NULL, RW, 0);
    for (int round = 0; round < 20; round++) {
        memcpy(code, call_getpid, sizeof call_getpid);
        protect(code, RX);
        CHECK(run(code) == pid && run(code) == pid, "getpid");
        protect(code, RW);
        CHECK(memcmp(code, call_getpid, sizeof call_getpid) == 0, "the program's bytes, made writable again, changed");
        memcpy(code, constant, sizeof constant);
        protect(code, RX);
        CHECK(run(code) == 0x01234567, "constant");
        protect(code, RW);
        memcpy(code, call_nothing, sizeof call_nothing);
        protect(code, RX);
        CHECK(run(code) == -ENOSYS, "no such call");
        protect(code, RW);
    }
    ok("written, executed and written again");

    for (int round = 0; round < 20; round++) {
        memcpy(code, call_getpid, sizeof call_getpid);
        protect(code, RX);
        CHECK(run(code) == pid, "getpid");
        CHECK(munmap(code, SIZE) == 0, "munmap");
        map(code, RW, MAP_FIXED_NOREPLACE);
        CHECK(*(uint64_t *)code == 0, "new mapping is not empty");
        memcpy(code, constant, sizeof constant);
        protect(code, RX);
        CHECK(run(code) == 0x01234567, "constant");
        map(code, RW, MAP_FIXED);
        memcpy(code, shifted, sizeof shifted);
        protect(code, RX);
        CHECK(run(code) == pid, "shifted getpid");
        CHECK(munmap(code, SIZE) == 0, "munmap");
        map(code, RW, MAP_FIXED_NOREPLACE);
    }
    ok("unmapped, overmapped and mapped again");

    for (int round = 0; round < 20; round++) {
        memcpy(code, call_getpid, sizeof call_getpid);
        protect(code, RX);
        CHECK(run(code) == pid, "getpid");
        void *elsewhere = map(NULL, PROT_NONE, 0);
        void *moved = mremap(code, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere);
        CHECK(moved == elsewhere, "mremap");
        CHECK(run(moved) == pid, "getpid after mremap");
        map(code, RW, MAP_FIXED_NOREPLACE);
        memcpy(code, constant, sizeof constant);
        protect(code, RX);
        CHECK(run(code) == 0x01234567, "constant where the moved page was");
        protect(code, RW);
        CHECK(munmap(moved, SIZE) == 0, "munmap");
    }
    ok("moved by mremap");

    unsigned char *rwx = mmap(NULL, SIZE, RW | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (rwx == MAP_FAILED) {
        ok("writable and executable mapping refused: errno %d", errno);
    } else {
        for (int round = 0; round < 20; round++) {
            memcpy(rwx, call_getpid, sizeof call_getpid);
            CHECK(run(rwx) == pid, "getpid");
            memcpy(rwx, constant, sizeof constant);
            CHECK(run(rwx) == 0x01234567, "constant");
            memcpy(rwx, shifted, sizeof shifted);
            CHECK(run(rwx) == pid, "shifted getpid");
            memcpy(rwx, call_nothing, sizeof call_nothing);
            CHECK(run(rwx) == -ENOSYS, "no such call");
        }
        ok("writable and executable mapping rewritten");
    }

    int fd = memfd_create("code", 0);
    CHECK(fd >= 0 && ftruncate(fd, SIZE) == 0, "memfd");
    unsigned char *writable = mmap(NULL, SIZE, RW, MAP_SHARED, fd, 0);
    unsigned char *executable = mmap(NULL, SIZE, RX, MAP_SHARED, fd, 0);
    CHECK(writable != MAP_FAILED && executable != MAP_FAILED, "two mappings");
    for (int round = 0; round < 20; round++) {
        memcpy(writable, call_getpid, sizeof call_getpid);
        CHECK(run(executable) == pid, "getpid");
        memcpy(writable, constant, sizeof constant);
        CHECK(run(executable) == 0x01234567, "constant");
        CHECK(memcmp(writable, constant, sizeof constant) == 0, "the writable side changed");
    }
    ok("written through a second mapping");
    return 0;
}
