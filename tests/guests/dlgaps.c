// flags: -ldl
// expect: ld.so maps all of a library's file, takes access away from what is behind the first segment if segments leave
// gaps, and then maps one after the other; so nothing but the text itself may be read when the text comes, not even the
// unwind tables. The guest loads libdlgaps.so (found next to it), which is linked so, and calls through its site; then
// it maps that text like other loaders: where all of the file has no access, as memory that is only executable, and from
// copies whose program headers are wrong. Every result must be right, and the library's mappings must have the
// protection that they have natively.
// musl: yes
#include "proc.h"
#include <dlfcn.h>
#include <elf.h>
#include <sys/mman.h>
#include <sys/stat.h>

static const char *library;
static char text[1 << 20];

static void list_mappings(void) {
    read_proc("/proc/self/maps", text, sizeof text);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        size_t start, end, offset;
        char protection[8];
        if (strstr(line, "libdlgaps.so") &&
            sscanf(line, "%zx-%zx %7s %zx", &start, &end, protection, &offset) == 4)
            ok("%zu pages %s from %zx", (end - start) / 4096, protection, offset);
    }
}

static void call(long (*through)(int), const char *who) {
    CHECK(through(0) == getpid(), "%s: getpid", who);
    CHECK(through(1) == getppid(), "%s: getppid", who);
    CHECK(through(2) == -ENOSYS, "%s: no such call", who);
    ok("%s", who);
}

// Maps the text's segment, as `protection` says, where all of `file` has been mapped as `whole` says, and calls through
// it what lies `offset` bytes into the file. The library tells where that has its segments.
static void map_and_call(int file, int whole, size_t offset, int protection, const char *who) {
    int fd = open(library, O_RDONLY);
    struct stat status;
    CHECK(fd >= 0 && fstat(file, &status) == 0, "%s", library);
    Elf64_Ehdr header;
    CHECK(pread(fd, &header, sizeof header, 0) == sizeof header, "header");
    size_t length = (size_t)status.st_size;
    char *base = mmap(NULL, length, whole, MAP_PRIVATE, file, 0);
    CHECK(base != MAP_FAILED, "mmap");
    for (int i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        CHECK(pread(fd, &segment, sizeof segment, (off_t)(header.e_phoff + (size_t)i * sizeof segment)) == sizeof segment,
              "segment");
        if (segment.p_type != PT_LOAD || segment.p_flags & PF_W)
            continue;
        // The table that the site's function reads lies in a segment of its own.
        int wanted = segment.p_flags & PF_X ? protection : PROT_READ;
        size_t start = segment.p_offset & ~4095UL, end = segment.p_offset + segment.p_filesz;
        CHECK(mmap(base + start, end - start, wanted, MAP_PRIVATE | MAP_FIXED, file, (off_t)start) == base + start,
              "%s", who);
    }
    close(fd);
    call((long (*)(int))(base + offset), who);
    CHECK(munmap(base, length) == 0, "munmap");
}

// A copy of the library whose program headers say `start` and `length` of each segment in memory.
static int damaged(unsigned long start, unsigned long length) {
    static char copy[1 << 20];
    int from = open(library, O_RDONLY), to = (int)syscall(SYS_memfd_create, "libdamaged.so", 0);
    ssize_t got = read(from, copy, sizeof copy);
    CHECK(from >= 0 && to >= 0 && got > 4096 && (size_t)got < sizeof copy, "%s", library);
    Elf64_Phdr *segments = (Elf64_Phdr *)(copy + ((Elf64_Ehdr *)copy)->e_phoff);
    // The first stays as it is: there the headers are.
    for (int i = 1; i < ((Elf64_Ehdr *)copy)->e_phnum; i++) {
        segments[i].p_vaddr = start;
        segments[i].p_filesz = length;
    }
    CHECK(write(to, copy, (size_t)got) == got, "write");
    close(from);
    return to;
}

int main(void) {
    library = beside_program("libdlgaps.so");
    void *handle = dlopen(library, RTLD_NOW);
    CHECK(handle, "%s", dlerror());
    long (*through)(int) = (long (*)(int))dlsym(handle, "dlgaps_call");
    Dl_info found;
    CHECK(through && dladdr((void *)through, &found), "dlgaps_call");
    call(through, "by dlopen");
    list_mappings();
    size_t offset = (size_t)((char *)through - (char *)found.dli_fbase);
    int whole = open(library, O_RDONLY);
    map_and_call(whole, PROT_NONE, offset, PROT_READ | PROT_EXEC, "by mmap");
    map_and_call(whole, PROT_NONE, offset, PROT_EXEC, "by mmap, only executable");
    map_and_call(whole, PROT_READ, offset, PROT_READ | PROT_EXEC, "by mmap, readable");
    static const unsigned long wrong[][2] = {
        {0, ~0UL}, {~0UL << 12, 4096}, {1UL << 46, 4096}, {1UL << 24, ~0UL >> 17}, {0x12345, 1}, {0x20000, 0}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int file = damaged(wrong[i][0], wrong[i][1]);
        map_and_call(file, PROT_READ, offset, PROT_READ | PROT_EXEC, "with wrong program headers");
        close(file);
    }
    CHECK(dlclose(handle) == 0, "%s", dlerror());
    return 0;
}
