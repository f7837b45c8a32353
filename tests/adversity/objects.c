// flags: -ldl
// Maps thousands of objects, each with system calls of its own, and finds each at its place: what a handler
// sees of a call in the last is an address in the last. Arguments: how many, the library, a directory for copies.
#include "../guests/guest.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <ucontext.h>

static uintptr_t handler_saw;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    handler_saw = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
}

static void copy(const char *from, const char *to) {
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    struct stat stat;
    CHECK(in >= 0 && out >= 0 && fstat(in, &stat) == 0, "%s %s", from, to);
    CHECK(sendfile(out, in, NULL, (size_t)stat.st_size) == stat.st_size, "sendfile");
    close(in);
    close(out);
}

int main(int argc, char **argv) {
    CHECK(argc == 4, "arguments");
    int count = atoi(argv[1]);
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0, "sigaction");

    void **libraries = calloc((size_t)count, sizeof *libraries);
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%d.so", argv[3], i);
        copy(argv[2], path);
        libraries[i] = dlopen(path, RTLD_NOW);
        CHECK(libraries[i] != NULL, "%s", dlerror());
        unlink(path);
    }
    for (int i = 0; i < count; i++) {
        long (*call)(long, long, long) = (long (*)(long, long, long))dlsym(libraries[i], "dlstorm_call");
        handler_saw = 0;
        CHECK(call(SYS_kill, getpid(), SIGUSR1) == 0, "kill by object %d", i);
        Dl_info at_site, at_call;
        CHECK(dladdr((void *)handler_saw, &at_site) != 0, "object %d: %#lx", i, (unsigned long)handler_saw);
        CHECK(dladdr((void *)(uintptr_t)call, &at_call) != 0, "object %d", i);
        CHECK(at_site.dli_fbase == at_call.dli_fbase, "object %d: %#lx", i, (unsigned long)handler_saw);
    }
    ok("%d objects, each call at its place", count);
    for (int i = 0; i < count; i++)
        CHECK(dlclose(libraries[i]) == 0, "dlclose");
    ok("all closed");
    return 0;
}
