// expect: When main leaves by pthread_exit the process goes on without its first thread: its id stays, as a zombie's,
// /proc/self has no memory map, no executable and no descriptors any more, and an interceptor that looks there, or takes
// the first thread's end for the process', is lost. Threads go on making calls, threads, children, files and mappings,
// load a library, get signals; then the process ends with the status of exit_group, of the last thread (0), of the
// first one's own exit, by exit(), by a signal, by exec.
// musl: yes
// userlands: yes
#include "proc.h"
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

static pthread_t main_thread;
static int null;
static atomic_int handled;

static void handler(int sig) {
    (void)sig;
    raw1(SYS_close, -1);
    handled = (int)raw0(SYS_gettid);
}

static void make_calls(void) {
    for (int i = 0; i < 20; i++)
        CHECK(raw3(SYS_write, null, "hello", 5) == 5 && raw1(SYS_close, -1) == -EBADF && raw0(1000) == -ENOSYS, "calls");
}

// Until the kernel, too, has the first thread as a zombie.
static void wait_for_end_of_main(void) {
    char state = 0, path[64];
    snprintf(path, sizeof path, "/proc/self/task/%ld/stat", raw0(SYS_getpid));
    for (int i = 0; i < LOOKS && state != 'Z'; i++) {
        state = state_in(path);
        usleep(1000);
    }
    CHECK(state == 'Z', "the first thread is in state %c", state);
}

static void *return_argument(void *argument) {
    make_calls();
    return argument;
}

static void live_without_main(void) {
    make_calls();
    char line[256];
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    ssize_t mine = fd < 0 ? -errno : read(fd, line, sizeof line);
    close(fd);
    fd = open("/proc/thread-self/maps", O_RDONLY | O_CLOEXEC);
    ssize_t threads = fd < 0 ? -errno : read(fd, line, sizeof line);
    close(fd);
    ssize_t exe = readlink("/proc/self/exe", line, sizeof line);
    ok("  /proc/self/maps %s, /proc/thread-self/maps %s, /proc/self/exe %s", mine > 0 ? "can be read" : "is empty",
       threads > 0 ? "can be read" : "is empty", exe > 0 ? "leads somewhere" : "leads nowhere");
    CHECK(raw0(SYS_getpid) != raw0(SYS_gettid) && getpid() == raw0(SYS_getpid), "ids");

    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        void *result = NULL;
        CHECK(pthread_create(&thread, NULL, return_argument, &result) == 0, "pthread_create");
        pthread_join(thread, &result);
        CHECK(result == &result, "thread's result");
    }
    for (int i = 0; i < 4; i++) {
        pid_t child = i % 2 ? vfork() : fork();
        if (child == 0 && i > 1)
            execl("/bin/sh", "sh", "-c", "exit 42", (char *)NULL);
        if (child == 0)
            _exit(raw0(SYS_getpid) == raw0(SYS_gettid) ? 42 : 1);
        int status = -1;
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 42, "child %d: %#x", i,
              status);
    }
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGUSR1, &action, NULL);
    kill(getpid(), SIGUSR1);
    for (int i = 0; i < LOOKS && !handled; i++)
        usleep(1000);
    CHECK(handled && handled != raw0(SYS_getpid), "a signal to the process is handled by %d", handled);

    // Code that comes now: written, and from a file.
    unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const unsigned char getpid_code[] = {0xb8, SYS_getpid, 0, 0, 0, 0x0f, 0x05, 0xc3};
    CHECK(code != MAP_FAILED, "mmap");
    memcpy(code, getpid_code, sizeof getpid_code);
    CHECK(mprotect(code, 4096, PROT_READ | PROT_EXEC) == 0, "mprotect");
    CHECK(((int (*)(void))(void *)code)() == getpid(), "a call in code that was written");
    munmap(code, 4096);
#ifdef __GLIBC__
    for (int i = 0; i < 3; i++) {
        void *library = dlopen("libresolv.so.2", RTLD_NOW);
        CHECK(library && dlsym(library, "ns_name_pton"), "dlopen: %s", dlerror());
        dlclose(library);
    }
#endif
    make_calls();
}

enum ending { BY_EXIT_GROUP, BY_LAST_RETURN, BY_MAINS_EXIT, BY_EXIT, BY_SIGNAL, BY_EXEC, ENDINGS };
static enum ending ending;

enum { OTHERS = 2 };
static atomic_int others_run, others_end;

static void *go_on(void *unused) {
    while (others_run < OTHERS)
        usleep(100);
    if (ending != BY_MAINS_EXIT)
        pthread_join(main_thread, NULL);
    wait_for_end_of_main();
    live_without_main();
    char *args[] = {"sh", "-c", "exit 12", NULL};
    switch (ending) {
    case BY_EXIT_GROUP:
        raw1(SYS_exit_group, 7);
        break;
    case BY_EXIT:
        exit(9);
    case BY_SIGNAL:
        signal(SIGTERM, SIG_DFL);
        raw2(SYS_kill, raw0(SYS_getpid), SIGTERM);
        pause();
        break;
    case BY_EXEC:
        execv("/bin/sh", args);
        break;
    default:
        return unused;
    }
    differs("not ended");
}

static void *call_all_the_time(void *unused) {
    others_run++;
    while (!others_end)
        make_calls();
    return unused;
}

static void leave_main(void) {
    main_thread = pthread_self();
    null = open("/dev/null", O_WRONLY);
    pthread_t thread;
    others_end = ending == BY_LAST_RETURN || ending == BY_MAINS_EXIT;
    CHECK(pthread_create(&thread, NULL, go_on, NULL) == 0, "pthread_create");
    for (int i = 0; i < OTHERS; i++)
        CHECK(pthread_create(&thread, NULL, call_all_the_time, NULL) == 0, "pthread_create");
    if (ending == BY_MAINS_EXIT)
        raw1(SYS_exit, 5);
    pthread_exit(NULL);
}

int main(int argc, char **argv) {
    if (argc > 1) {
        ending = (enum ending)atoi(argv[1]);
        leave_main();
    }
    static const struct {
        const char *name;
        int status;
    } ends[ENDINGS] = {
        {"exit_group of a thread", 7 << 8}, {"return of the last thread", 0}, {"exit of the first thread alone", -1},
        {"exit of a thread", 9 << 8},       {"a signal", SIGTERM},            {"exec of a thread", 12 << 8},
    };
    for (ending = 0; ending < ENDINGS; ending++) {
        // Not without exec: the first thread of a forked child cannot leave with musl.
        char number[8];
        char *args[] = {argv[0], number, NULL};
        snprintf(number, sizeof number, "%d", ending);
        pid_t child = fork();
        if (child == 0) {
            execv("/proc/self/exe", args);
            _exit(99);
        }
        int status = -1;
        CHECK(waitpid(child, &status, 0) == child, "waitpid");
        CHECK(status == ends[ending].status || ends[ending].status == -1, "%s: status %#x", ends[ending].name, status);
        // Kernels differ in whether the first or the last thread to end has the word.
        ok("ended by %s: status %#x", ends[ending].name, status);
    }
    // And the process that was started itself.
    ending = BY_LAST_RETURN;
    leave_main();
}
