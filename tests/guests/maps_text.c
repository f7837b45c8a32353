// flags: -ldl
// expect: Profilers and debuggers find out from /proc/self/maps which object an address belongs to, and take each
// line of text for an object of its own, whose start they look up in the file. The guest lists the lines of its own
// file, of libc, of ld.so and of libmaps_text.so (found next to it, loaded while it runs): length, protection, offset.
// There are just as many lines as natively, and they are the same, whichever pages hold sites; so are those of a
// forked child and of memory that is written and made executable, in whole or in part.
// musl: yes
#include "proc.h"
#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/wait.h>

// A site of the guest's own, with pages around it that have none.
__asm__(R"(
    .text
    .balign 4096
    .skip 4096, 0xcc
    .globl own_pid
    .type own_pid, @function
own_pid:
    .cfi_startproc
    mov $39, %eax
    syscall
    ret
    .cfi_endproc
    .size own_pid, .-own_pid
    .balign 4096
    .skip 4096, 0xcc
)");
long own_pid(void);

static char text[1 << 20];

// Whether a line is of one of the files that are there natively, too.
static const char *file_of(const char *name) {
    static const char *const files[] = {"maps_text", "maps_text.musl", "libmaps_text.so", "libc.so", "libc.so.6",
                                        "ld-linux-x86-64.so.2", "ld-musl-x86_64.so.1"};
    const char *last = strrchr(name, '/');
    for (size_t i = 0; last && i < sizeof files / sizeof *files; i++)
        if (strcmp(last + 1, files[i]) == 0)
            return files[i];
    return NULL;
}

static void list_files(const char *who) {
    read_proc("/proc/self/maps", text, sizeof text);
    size_t start, end, offset;
    char protection[8], name[512];
    int lines = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (sscanf(line, "%zx-%zx %7s %zx %*s %*s %511s", &start, &end, protection, &offset, name) != 5)
            continue;
        const char *file = file_of(name);
        if (!file)
            continue;
        ok("%s: %s: %zu pages %s from %zx", who, file, (end - start) / 4096, protection, offset);
        lines++;
    }
    CHECK(lines > 8, "%d lines", lines);
}

// Pieces of the mappings in a range.
static void list_range(const char *who, char *from, size_t length) {
    read_proc("/proc/self/maps", text, sizeof text);
    size_t start, end, low = (size_t)from, high = low + length;
    char protection[8];
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        CHECK(sscanf(line, "%zx-%zx %7s", &start, &end, protection) == 3, "%s", line);
        if (start >= high || end <= low)
            continue;
        start = start < low ? low : start;
        end = end > high ? high : end;
        ok("%s: %zu pages from %zu %s", who, (end - start) / 4096, (start - low) / 4096, protection);
    }
}

int main(void) {
    long pid = getpid();
    CHECK(own_pid() == pid, "own_pid");
    list_files("at start");

    void *handle = dlopen(beside_program("libmaps_text.so"), RTLD_NOW);
    CHECK(handle, "%s", dlerror());
    long (*get_pid)(void) = (long (*)(void))dlsym(handle, "maps_text_pid");
    CHECK(get_pid && get_pid() == pid, "maps_text_pid");
    list_files("with a library");

    pid_t child = fork();
    if (child == 0) {
        CHECK(own_pid() == getpid() && get_pid() == getpid(), "pid in a child");
        list_files("in a child");
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0, "status %x", status);

    static const unsigned char code[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0x90, 0x90, 0x90, 0xc3};
    char *made = mmap(NULL, 6 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(made != MAP_FAILED, "mmap");
    memcpy(made + 2 * 4096, code, sizeof code);
    CHECK(mprotect(made, 6 * 4096, PROT_READ | PROT_EXEC) == 0, "mprotect");
    CHECK(((long (*)(void))(made + 2 * 4096))() == pid, "generated code");
    list_range("generated", made, 6 * 4096);
    CHECK(mprotect(made, 6 * 4096, PROT_READ | PROT_WRITE) == 0, "mprotect");
    memcpy(made + 3 * 4096, code, sizeof code);
    CHECK(mprotect(made + 2 * 4096, 3 * 4096, PROT_READ | PROT_EXEC) == 0, "mprotect");
    CHECK(((long (*)(void))(made + 3 * 4096))() == pid, "generated code");
    list_range("a part", made, 6 * 4096);
    CHECK(mprotect(made, 6 * 4096, PROT_READ | PROT_EXEC) == 0, "mprotect");
    list_range("all again", made, 6 * 4096);
    return 0;
}
