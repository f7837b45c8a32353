// expect: exec takes the environment that the program passes, to the byte: with no variable at all, with none passed
// (a null pointer), with a single one, with hundreds, with duplicates, with strings that are no variables, with one
// that is as long as an argument may be, with an LD_PRELOAD of the program's own, with a copy of what /proc shows and
// more behind it. An interceptor that adds what it
// needs to be preloaded again must hide it. The image executed shows its arguments and its environment and looks at
// all that a runtime gets from the kernel: environ lies behind argv, the auxiliary vector behind environ (where Go and
// ld.so find it), getauxval, /proc/self/auxv and it agree.
// musl: yes
// userlands: yes
#include "guest.h"
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/wait.h>

extern char **environ;
static char self[4096];

// In the image executed.

static int is_shown(const char *variable) {
    // What came from whoever started the guest, rather than from the guest.
    const char *inherited = getenv("GUEST_INHERITS");
    return !inherited || (strncmp(variable, "LD_PRELOAD", 10) && strncmp(variable, "INTERCEPT", 9));
}

static void *in_thread(void *unused) {
    for (int i = 0; i < 10; i++)
        CHECK(raw1(SYS_close, -1) == -EBADF && raw0(1000) == -ENOSYS, "calls in a thread");
    return unused;
}

static int show(int argc, char **argv, char **envp) {
    CHECK(environ == envp, "environ is not what main got");
    CHECK(envp == argv + argc + 1, "environ does not lie behind argv");
    char line_of[1000] = "";
    for (int i = 0; i < argc; i++) {
        strcat(line_of, " \"");
        strcat(line_of, strcmp(argv[i], self) ? argv[i] : "(self)");
        strcat(line_of, "\"");
    }
    ok("  arguments%s", line_of);
    size_t count = 0, shown = 0, longest = 0;
    for (; environ[count]; count++)
        if (is_shown(environ[count])) {
            size_t length = strlen(environ[count]);
            longest = length > longest ? length : longest;
            if (shown++ < 12 && length < 200 && !getenv("GUEST_INHERITS"))
                ok("  variable \"%s\"", environ[count]);
        }
    ok("  %zu variables, the longest of %zu bytes", shown, longest);
    const char *const names[] = {"A", "PATH", "HOME", "LD_PRELOAD", "LAST", "", "INTERCEPTOR_CARRIED", "LD_LIBRARY_PATH"};
    line_of[0] = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_shown(names[i]) && getenv(names[i])) {
            strcat(strcat(line_of, " "), names[i]);
            strncat(strcat(line_of, "="), getenv(names[i]), 50);
        }
    ok("  getenv:%s", line_of);

    const ElfW(auxv_t) *auxv = (const ElfW(auxv_t) *)(environ + count + 1), *entry = auxv;
    unsigned long seen = 0;
    for (; entry->a_type != AT_NULL; entry++) {
        CHECK(entry - auxv < 64, "auxiliary vector without an end");
        CHECK(entry->a_type < 64, "entry of type %lu behind environ", (unsigned long)entry->a_type);
        // glibc tells its own names for the processor.
        CHECK(getauxval(entry->a_type) == entry->a_un.a_val || entry->a_type == AT_HWCAP || entry->a_type == AT_PLATFORM,
              "getauxval(%lu)", (unsigned long)entry->a_type);
        seen |= 1UL << entry->a_type;
    }
    ok("  %td entries, types %lx", entry - auxv, seen);
    static ElfW(auxv_t) kernels[64];
    int fd = open("/proc/self/auxv", O_RDONLY | O_CLOEXEC);
    ssize_t length = read(fd, kernels, sizeof kernels);
    close(fd);
    CHECK(length >= (ssize_t)((entry - auxv + 1) * (ssize_t)sizeof *entry), "%zd bytes in /proc/self/auxv", length);
    CHECK(!memcmp(kernels, auxv, (size_t)((const char *)(entry + 1) - (const char *)auxv)), "/proc/self/auxv differs");
    const char *file = (const char *)getauxval(AT_EXECFN);
    ok("  AT_EXECFN %s, AT_PAGESZ %lu, AT_SECURE %lu", strcmp(file, self) ? file : "(self)", getauxval(AT_PAGESZ),
       getauxval(AT_SECURE));
    CHECK(getauxval(AT_ENTRY) && getauxval(AT_PHDR) && getauxval(AT_RANDOM) && getauxval(AT_BASE), "auxiliary vector");
    CHECK(getauxval(AT_UID) == getuid() && getauxval(AT_EGID) == getegid(), "ids in the auxiliary vector");
    const ElfW(Phdr) *header = (const ElfW(Phdr) *)getauxval(AT_PHDR);
    CHECK(header->p_type == PT_PHDR && getauxval(AT_PHNUM) < 64, "program headers");

    // The kernel's strings end where they ended: argv as it is in /proc.
    static char line[1 << 16];
    fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    length = read(fd, line, sizeof line);
    close(fd);
    const char *at = line;
    for (int i = 0; i < argc; i++) {
        CHECK(!strcmp(at, argv[i]), "argument %d in /proc/self/cmdline", i);
        at += strlen(at) + 1;
    }
    CHECK(at - line == length, "%zd bytes in /proc/self/cmdline", length);

    // It is the program's own: it can be changed, emptied and given on.
    CHECK(setenv("A", "changed", 1) == 0 && !strcmp(getenv("A"), "changed"), "setenv");
    CHECK(putenv("LAST=put") == 0 && !strcmp(getenv("LAST"), "put"), "putenv");
    CHECK(unsetenv("A") == 0 && !getenv("A"), "unsetenv");
    clearenv();
    CHECK(!getenv("LAST") && (!environ || !environ[0]), "clearenv");
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, in_thread, NULL) == 0, "pthread_create");
    pthread_join(thread, NULL);
    if (argc > 3 && !strcmp(argv[2], "once more")) {
        char *args[] = {self, "show", "nothing more", "last", NULL};
        execv(self, args); // with what clearenv left
        differs("exec after clearenv");
    }
    return 42;
}

// As a supervisor does: what /proc shows, and more behind it.
static int execute_with_copy(void) {
    static char text[1 << 16], *copy[1000];
    int fd = open("/proc/self/environ", O_RDONLY | O_CLOEXEC), count = 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    CHECK(length > 0 && close(fd) == 0, "/proc/self/environ");
    for (char *at = text; at < text + length; at += strlen(at) + 1)
        copy[count++] = at;
    copy[count++] = "GUEST_INHERITS=1";
    copy[count++] = "LAST=4";
    char *args[] = {self, "show", "", "last", NULL};
    execve(self, args, copy);
    return 1;
}

// In the guest.

static void wait_for(const char *what, pid_t child) {
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 42, "%s: status %#x", what,
          status);
}

static void pass(const char *what, char **envp) {
    char *argv[] = {self, "show", "", "last", NULL};
    ok("%s, fork", what);
    pid_t child = fork();
    if (child == 0) {
        execve(self, argv, envp);
        _exit(99);
    }
    wait_for(what, child);
    ok("%s, vfork", what);
    child = vfork();
    if (child == 0) {
        execve(self, argv, envp);
        _exit(99);
    }
    wait_for(what, child);
}

static void *spawn_in_thread(void *envp) {
    char *argv[] = {self, "show", "once more", "last", NULL};
    pid_t child;
    CHECK(posix_spawn(&child, self, NULL, NULL, argv, envp) == 0, "posix_spawn");
    wait_for("posix_spawn", child);
    return NULL;
}

int main(int argc, char **argv, char **envp) {
    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0, "own path");
    if (argc > 1 && !strcmp(argv[1], "show"))
        return show(argc, argv, envp);
    if (argc > 1 && !strcmp(argv[1], "copy"))
        return execute_with_copy();
    if (argc == 1 && !argv[0][0])
        return show(argc, argv, envp);

    char *empty[] = {NULL}, *cleaned[] = {"PATH=/bin:/usr/bin", NULL};
    char *duplicates[] = {"A=1", "PATH=/bin", "A=2", "HOME=/", "A=3", "LAST=4", NULL};
    char *strange[] = {"", "NO-EQUALS-SIGN", "=value of no name", "", "A", "A==", "A=1", "LD_PRELOADED=no", "", "LAST=", NULL};
    pass("no variable", empty);
    pass("no environment", NULL);
    pass("only PATH", cleaned);
    pass("duplicates", duplicates);
    pass("strings that are no variables", strange);

    static char huge[100000] = "HUGE=", many[600][24];
    static char *long_one[] = {"A=1", huge, "LAST=2", NULL}, *many_pointers[601];
    memset(huge + 5, 'x', sizeof huge - 6);
    pass("a long variable", long_one);
    for (int i = 0; i < 600; i++) {
        snprintf(many[i], sizeof many[i], "VARIABLE_%d=%d", i, i * i);
        many_pointers[i] = many[i];
    }
    pass("many variables", many_pointers);

    char *preloads[] = {"A=1", "LD_PRELOAD=libm.so.6", "LAST=2", NULL};
    char *no_preload[] = {"A=1", "LD_PRELOAD=", "LAST=2", NULL};
    char *two_preloads[] = {"LD_PRELOAD=libm.so.6", "A=1", "LD_PRELOAD=libpthread.so.0:libm.so.6", NULL};
    pass("a preloaded library", preloads);
    pass("an empty list of libraries", no_preload);
    pass("two lists of libraries", two_preloads);

    ok("a copy of what /proc shows");
    char *copies[] = {self, "copy", NULL};
    pid_t copying = fork();
    if (copying == 0) {
        execve(self, copies, cleaned);
        _exit(99);
    }
    wait_for("a copy", copying);

    pthread_t thread;
    char **const from_thread[] = {cleaned, empty, preloads, duplicates};
    for (int i = 0; i < 4; i++) {
        ok("from a thread, %d", i);
        CHECK(pthread_create(&thread, NULL, spawn_in_thread, from_thread[i]) == 0, "pthread_create");
        pthread_join(thread, NULL);
    }

    // As a shell or a daemon does: its own environment, changed.
    setenv("GUEST_INHERITS", "1", 1);
    setenv("A", "added", 1);
    unsetenv("HOME");
    unsetenv("LD_LIBRARY_PATH");
    setenv("PATH", "/bin", 1);
    setenv("LAST", "", 1);
    ok("own environment, changed");
    char *args[] = {self, "show", "", "last", NULL};
    pid_t child = fork();
    if (child == 0) {
        execv(self, args);
        _exit(99);
    }
    wait_for("own environment", child);

    // The kernel makes one argument, an empty one, of none.
    ok("no arguments");
    child = fork();
    if (child == 0) {
        raw3(SYS_execve, self, NULL, NULL);
        _exit(42);
    }
    wait_for("no arguments", child);
    return 0;
}
