// expect: exec replaces everything but the process; what an interceptor hands over must arrive whichever way exec
// is called, the program's own arguments and environment must arrive unchanged, and a failing exec must change
// nothing. The guest runs itself through execve, execveat (by path and by descriptor), fexecve, from a `#!` script,
// from a vfork child, from a thread that is not the main one, and with an empty environment; each time the new image
// checks its arguments and makes calls. One that only asks whether it may be executed executes nothing. Failing ones say ENOENT, EACCES, ENOEXEC, E2BIG, EFAULT or ENOTDIR.
// musl: yes
// userlands: yes
#include "guest.h"
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

extern char **environ;
enum { EXECVE_CHECK = 0x10000 };
static char self[4096], script[64];
static int self_fd;
static char **child_argv, **child_env;

// argv: self, the way, (the script's path,) the pid expected, two more.
static int after_exec(int argc, char **argv) {
    long pid = strtol(argv[argc - 3], NULL, 10);
    CHECK(argc == (strcmp(argv[1], "script") ? 5 : 6), "%d arguments", argc);
    CHECK(getpid() == pid, "another process after exec");
    CHECK(raw0(SYS_gettid) == pid, "another thread after exec");
    CHECK(!strcmp(argv[argc - 1], "last argument") && !strcmp(argv[argc - 2], ""), "arguments");
    const char *way = getenv("WAY");
    CHECK(strcmp(argv[1], "empty") ? way && !strcmp(way, argv[1]) : !way, "environment: WAY is %s", way);
    for (int i = 0; i < 100; i++)
        CHECK(raw1(SYS_close, -1) == -EBADF && raw0(1000) == -ENOSYS, "calls after exec");
    return 42;
}

static void by_execve(void) { execve(self, child_argv, child_env); }
static void by_execveat(void) { raw6(SYS_execveat, AT_FDCWD, (long)self, (long)child_argv, (long)child_env, 0, 0); }
static void by_execveat_fd(void) {
    raw6(SYS_execveat, self_fd, (long)"", (long)child_argv, (long)child_env, AT_EMPTY_PATH, 0);
}
static void by_fexecve(void) { fexecve(self_fd, child_argv, child_env); }
// The kernel makes that: self, "script" from the first line, the script's path, and the rest.
static void by_script(void) { execve(script, child_argv + 1, child_env); }
static void by_search(void) {
    environ = child_env;
    execvp(self, child_argv);
}
static void *in_thread(void *unused) {
    execve(self, child_argv, child_env);
    return unused;
}
static void by_thread(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, in_thread, NULL);
    for (;;)
        raw0(SYS_getppid);
}

static void run(const char *way, void (*exec)(void), int by_vfork) {
    char pid[24], variable[64];
    char *argv[] = {self, (char *)way, pid, "", "last argument", NULL};
    char *env[] = {variable, "OTHER=kept", NULL}, *empty[] = {NULL};
    snprintf(variable, sizeof variable, "WAY=%s", way);
    child_argv = argv;
    child_env = strcmp(way, "empty") ? env : empty;
    pid_t child = by_vfork ? vfork() : fork();
    if (child == 0) {
        snprintf(pid, sizeof pid, "%ld", raw0(SYS_getpid));
        exec();
        _exit(99);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 42, "%s: status %#x", way,
          status);
    ok("exec: %s", way);
}

static void fails(const char *what, long ret, long expected) {
    CHECK(ret == -expected, "%s: %ld, expected %ld", what, ret, -expected);
    CHECK(raw1(SYS_close, -1) == -EBADF, "calls after a failed exec");
    ok("failing exec: %s", what);
}

int main(int argc, char **argv) {
    if (argc > 2)
        return after_exec(argc, argv);
    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0, "own path");
    self_fd = open(self, O_RDONLY | O_CLOEXEC);
    strcpy(script, "/tmp/interceptor-guest-XXXXXX");
    int fd = mkstemp(script);
    CHECK(fd >= 0, "script");
    dprintf(fd, "#!%s script\n", self);
    close(fd);

    char *args[] = {script, NULL}, *none[] = {NULL};
    fails("script that may not be executed",
          raw3(SYS_execve, script, args, none), EACCES);
    chmod(script, 0700);

    for (int by_vfork = 0; by_vfork < 2; by_vfork++) {
        run("execve", by_execve, by_vfork);
        run("execveat", by_execveat, by_vfork);
        run("execveat of a descriptor", by_execveat_fd, by_vfork);
        run("fexecve", by_fexecve, by_vfork);
        run("script", by_script, by_vfork);
        run("empty", by_execve, by_vfork);
    }
    run("execvp", by_search, 0);
    run("thread", by_thread, 0);

    char *missing_interpreter = script;
    fd = open(script, O_WRONLY | O_TRUNC);
    dprintf(fd, "#!/nonexistent/interpreter\n");
    close(fd);
    fails("script without interpreter", raw3(SYS_execve, missing_interpreter, args, none), ENOENT);
    fd = open(script, O_WRONLY | O_TRUNC);
    dprintf(fd, "neither script nor program\n");
    close(fd);
    fails("no known format", raw3(SYS_execve, script, args, none), ENOEXEC);
    // A program that is linked statically, as far as its header goes. Before Linux 6.14 nobody could ask.
    static const Elf64_Ehdr header = {
        {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT}, ET_EXEC, EM_X86_64, EV_CURRENT};
    fd = open(script, O_WRONLY | O_TRUNC);
    CHECK(write(fd, &header, sizeof header) == sizeof header, "header");
    close(fd);
    long may = raw6(SYS_execveat, AT_FDCWD, (long)script, (long)args, (long)none, EXECVE_CHECK, 0);
    CHECK(may == 0 || may == -EINVAL, "asking: %ld", may);
    ok("asking whether a program may be executed: %ld", may);
    unlink(script);
    fails("no such file", raw3(SYS_execve, "/nonexistent/program", args, none), ENOENT);
    fails("directory", raw3(SYS_execve, "/", args, none), EACCES);
    fails("path through a file", raw3(SYS_execve, "/proc/self/exe/x", args, none), ENOTDIR);
    fails("bad path pointer", raw3(SYS_execve, 8, args, none), EFAULT);
    fails("bad argv pointer", raw3(SYS_execve, self, 8, none), EFAULT);
    fails("bad envp pointer", raw3(SYS_execve, self, args, 8), EFAULT);
    char *bad[] = {(char *)8, NULL};
    fails("bad argument pointer", raw3(SYS_execve, self, bad, none), EFAULT);
    fails("bad environment pointer", raw3(SYS_execve, self, args, bad), EFAULT);
    fails("bad descriptor", raw6(SYS_execveat, -1, (long)"", (long)args, (long)none, AT_EMPTY_PATH, 0), EBADF);
    fails("unknown flags", raw6(SYS_execveat, self_fd, (long)"", (long)args, (long)none, AT_EMPTY_PATH | 0x40000000, 0), EINVAL);
    char *huge = malloc(1 << 18);
    memset(huge, 'x', 1 << 18);
    huge[(1 << 18) - 1] = 0;
    char *too_big[] = {self, huge, NULL}, *too_big_env[] = {huge, NULL};
    fails("argument too long", raw3(SYS_execve, self, too_big, none), E2BIG);
    fails("variable too long", raw3(SYS_execve, self, args, too_big_env), E2BIG);
    return 0;
}
