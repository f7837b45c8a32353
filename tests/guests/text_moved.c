// expect: Text of a file that is mapped while the program runs, and what may become of it: mapped shared from a file that
// is open for writing, where whatever is written to the text comes into the file; resized by mremap in its place, to the
// same size or less; moved by it, with what was there before left or not; dropped, which brings back what the file has.
// Its calls are made, and the file stays as it was.
// musl: yes
#include "guest.h"
#include <fcntl.h>
#include <sys/mman.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

enum { PAGE = 4096, LONGEST = 1 << 20 };
#define RX (PROT_READ | PROT_EXEC)

// A site of the guest's own, in pages that nothing else is in.
__asm__(R"(
    .text
    .balign 4096
    .globl moved_pid
    .type moved_pid, @function
moved_pid:
    .cfi_startproc
    mov $39, %eax
    syscall
    ret
    .cfi_endproc
    .size moved_pid, .-moved_pid
    .balign 4096
    .skip 4096, 0xcc
)");
long moved_pid(void);
extern const char __ehdr_start[];

static char file[LONGEST], now[LONGEST];
static size_t size;
static int fd;

static void check_file(const char *when) {
    CHECK(pread(fd, now, size, 0) == (ssize_t)size, "pread");
    CHECK(memcmp(file, now, size) == 0, "the file has changed, %s", when);
}

static char *map(int flags) {
    char *image = mmap(NULL, size, RX, flags, fd, 0);
    CHECK(image != MAP_FAILED, "mmap");
    return image;
}

// Calls the function in an image, which refers to nothing.
static void call(char *image, const char *when) {
    long (*entry)(void) = (long (*)(void))(image + ((char *)moved_pid - __ehdr_start));
    for (int i = 0; i < 3; i++)
        CHECK(entry() == getpid(), "%s", when);
}

static void unmap(char *image, size_t length) { CHECK(munmap(image, length) == 0, "munmap"); }

static char *hole(void) {
    char *free = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(free != MAP_FAILED, "a hole");
    return free;
}

int main(void) {
    int own = open("/proc/self/exe", O_RDONLY);
    ssize_t length = read(own, file, sizeof file);
    CHECK(length > PAGE && length < LONGEST, "own file: %zd bytes", length);
    fd = memfd_create("text", 0);
    CHECK(fd >= 0 && write(fd, file, (size_t)length) == length, "memfd");
    size = ((size_t)length + PAGE - 1) / PAGE * PAGE;
    CHECK(ftruncate(fd, (off_t)size) == 0, "ftruncate");

    char *shared = map(MAP_SHARED);
    call(shared, "shared");
    check_file("mapped shared");
    unmap(shared, size);
    ok("mapped shared");

    char *image = map(MAP_PRIVATE);
    call(image, "private");
    CHECK(mremap(image, size, size, 0) == image, "mremap to the same size");
    call(image, "with the same size");
    size_t less = (size_t)((char *)moved_pid - __ehdr_start) + 2 * PAGE;
    CHECK(mremap(image, size, less, 0) == image, "mremap to less");
    call(image, "with less");
    unmap(image, less);
    ok("resized");

    image = map(MAP_PRIVATE);
    call(image, "private");
    char *moved = mremap(image, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, hole());
    CHECK(moved != MAP_FAILED, "mremap elsewhere");
    call(moved, "moved");
    CHECK(mremap(moved, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, image) == image, "mremap back");
    call(image, "moved back");
    unmap(image, size);
    ok("moved");

    image = map(MAP_PRIVATE);
    call(image, "private");
    char *elsewhere = mremap(image, size, size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    if (elsewhere == MAP_FAILED) {
        ok("not copied: errno %d", errno);
    } else {
        call(elsewhere, "moved, what was there is left");
        call(image, "left");
        unmap(elsewhere, size);
        ok("moved and left");
    }
    CHECK(madvise(image, size, MADV_DONTNEED) == 0, "madvise");
    call(image, "dropped");
    ok("dropped");

    check_file("at the end");
    return 0;
}
