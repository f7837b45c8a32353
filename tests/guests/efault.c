// expect: A bad pointer is the kernel's to refuse: an interceptor that looks into the structures it cares about
// (actions, clone arguments, paths, masks, ranges) crashes where the program would have been told EFAULT. Each call
// below gets a null-page address, an unmapped one, a page without rights, a structure that runs off the end of a
// page, a non-canonical and a kernel address. EFAULT passes silently, any other result is printed, as are the errnos of
// impossible ranges and sizes; the native and the intercepted run must print the same, and no signal may arrive.
// musl: yes
#include "guest.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#ifndef SYS_clone3
#define SYS_clone3 435
#endif
enum { P = 0x7e57 }; // stands for the pointer under test

struct call {
    const char *name;
    long nr, args[6];
};

static int null, zero, file, epoll;

static long with_pointer(const struct call *call, long pointer) {
    long a[6];
    for (int i = 0; i < 6; i++)
        a[i] = call->args[i] == P ? pointer : call->args[i];
    return raw6(call->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int main(void) {
    null = open("/dev/null", O_WRONLY);
    zero = open("/dev/zero", O_RDONLY);
    file = memfd_create("file", 0);
    epoll = (int)raw1(SYS_epoll_create1, 0);
    int ends[2];
    CHECK(pipe(ends) == 0 && ftruncate(file, 4096) == 0 && epoll >= 0, "descriptors");
    char *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(pages + 4096, 4096, PROT_NONE);
    munmap(pages + 8192, 4096);
    memset(pages, 0, 4096);

    struct call calls[] = {
        {"rt_sigaction, new", SYS_rt_sigaction, {SIGUSR1, P, 0, 8}},
        {"rt_sigaction, old", SYS_rt_sigaction, {SIGUSR1, 0, P, 8}},
        {"rt_sigprocmask, new", SYS_rt_sigprocmask, {SIG_BLOCK, P, 0, 8}},
        {"rt_sigprocmask, old", SYS_rt_sigprocmask, {SIG_BLOCK, 0, P, 8}},
        {"rt_sigpending", SYS_rt_sigpending, {P, 8}},
        {"rt_sigsuspend", SYS_rt_sigsuspend, {P, 8}},
        {"rt_sigtimedwait", SYS_rt_sigtimedwait, {P, 0, 0, 8}},
        {"sigaltstack, new", SYS_sigaltstack, {P, 0}},
        {"sigaltstack, old", SYS_sigaltstack, {0, P}},
        {"clone3", SYS_clone3, {P, 88}},
        {"execve, path", SYS_execve, {P, 0, 0}},
        {"execve, argv", SYS_execve, {(long)"/bin/true", P, 0}},
        {"execve, envp", SYS_execve, {(long)"/bin/true", 0, P}},
        {"execveat, path", SYS_execveat, {AT_FDCWD, P, 0, 0, 0}},
        {"open", SYS_open, {P, O_RDONLY}},
        {"openat", SYS_openat, {AT_FDCWD, P, O_RDONLY}},
        {"stat, path", SYS_stat, {P, (long)pages}},
        {"stat, result", SYS_stat, {(long)"/", P}},
        {"readlink", SYS_readlink, {P, (long)pages, 100}},
        {"read", SYS_read, {zero, P, 100}},
        {"write", SYS_write, {ends[1], P, 100}},
        {"pread64", SYS_pread64, {file, P, 100, 0}},
        {"readv", SYS_readv, {zero, P, 3}},
        {"writev", SYS_writev, {ends[1], P, 3}},
        {"pipe2", SYS_pipe2, {P, 0}},
        {"nanosleep", SYS_nanosleep, {P, 0}},
        {"clock_gettime", SYS_clock_gettime, {0, P}},
        {"gettimeofday", SYS_gettimeofday, {P, 0}},
        {"uname", SYS_uname, {P}},
        {"getrlimit", SYS_getrlimit, {3, P}},
        {"prlimit64, new", SYS_prlimit64, {0, 3, P, 0}},
        {"prlimit64, old", SYS_prlimit64, {0, 3, 0, P}},
        {"futex", SYS_futex, {P, 0, 0, 0, 0, 0}},
        {"futex, timeout", SYS_futex, {(long)pages, 0, 0, P, 0, 0}},
        {"poll", SYS_poll, {P, 4, 0}},
        {"ppoll, mask", SYS_ppoll, {0, 0, 0, P, 8}},
        {"pselect6, packed mask", SYS_pselect6, {0, 0, 0, 0, 0, P}},
        {"epoll_ctl", SYS_epoll_ctl, {epoll, 1, ends[0], P}},
        {"epoll_pwait, mask", SYS_epoll_pwait, {epoll, (long)pages, 1, 0, P, 8}},
        {"signalfd4", SYS_signalfd4, {-1, P, 8, 0}},
        {"sendmsg", SYS_sendmsg, {-1, P, 0}},
        {"arch_prctl, get FS", SYS_arch_prctl, {0x1003, P}},
        {"sched_setparam", SYS_sched_setparam, {0, P}},
    };
    struct {
        const char *name;
        long address;
    } bad[] = {
        {"in the null page", 8},
        {"in an unmapped page", (long)pages + 8192 + 16},
        {"in a page without rights", (long)pages + 4096 + 16},
        {"running off a page", (long)pages + 4096 - 4},
        {"non-canonical", 0x5a5a5a5a5a5a5a50},
        {"in the kernel", -4096 * 16},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        for (size_t j = 0; j < sizeof bad / sizeof *bad; j++) {
            long first = with_pointer(&calls[i], bad[j].address);
            // Four valid bytes are enough for some calls, and some look at another argument first.
            if (first != -EFAULT)
                ok("%s, pointer %s: %ld", calls[i].name, bad[j].name, first);
            if (calls[i].nr == SYS_write && first > 0)
                CHECK(read(ends[0], pages, 100) == first, "drain");
            if (calls[i].nr == SYS_signalfd4 && first >= 0)
                close((int)first);
            if (calls[i].nr == SYS_clone3 && first == 0)
                _exit(1);
        }
        ok("%s", calls[i].name);
    }

    static const struct call impossible[] = {
        {"mmap of no length", SYS_mmap, {0, 0, 3, 0x22, -1, 0}},
        {"mmap of nearly everything", SYS_mmap, {0, -4096, 3, 0x22, -1, 0}},
        {"mmap at an odd fixed address", SYS_mmap, {5, 4096, 3, 0x32, -1, 0}},
        {"mmap in the kernel", SYS_mmap, {-4096 * 16, 4096, 5, 0x32, -1, 0}},
        {"mmap of unknown kind", SYS_mmap, {0, 4096, 5, 0x20, -1, 0}},
        {"mprotect at an odd address", SYS_mprotect, {5, 4096, 5}},
        {"mprotect of what is not there", SYS_mprotect, {4096, 4096, 5}},
        {"mprotect of unknown rights", SYS_mprotect, {0, 4096, 0x100}},
        {"mprotect wrapping around", SYS_mprotect, {4096, -4096, 5}},
        {"munmap of no length", SYS_munmap, {4096, 0}},
        {"munmap in the kernel", SYS_munmap, {-4096 * 16, 4096}},
        {"mremap of what is not there", SYS_mremap, {4096, 4096, 8192, 1, 0}},
        {"mremap of unknown flags", SYS_mremap, {4096, 4096, 8192, 64, 0}},
        {"clone3 of no size", SYS_clone3, {0, 0}},
        {"clone3 of a huge size", SYS_clone3, {0, 1 << 20}},
        {"set_robust_list of another size", SYS_set_robust_list, {0, 8}},
        {"prctl of unknown kind", SYS_prctl, {0x7fffffff, 0}},
        {"arch_prctl of unknown kind", SYS_arch_prctl, {0x7fffffff, 0}},
        {"arch_prctl, GS in the kernel", SYS_arch_prctl, {0x1001, -4096}},
        {"rt_sigaction of another size", SYS_rt_sigaction, {SIGUSR1, 8, 0, 4}},
        {"sigaltstack of nothing", SYS_sigaltstack, {0, 0}},
        {"seccomp of unknown kind", SYS_seccomp, {77, 0, 0}},
        {"seccomp filter at nothing", SYS_seccomp, {1, 0, 0}},
        {"kill of no one", SYS_kill, {0x7ffffff0, 0}},
        {"tgkill of no one", SYS_tgkill, {-1, -1, 0}},
    };
    for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++)
        ok("%s: %ld", impossible[i].name, with_pointer(&impossible[i], 0));
    CHECK(raw0(SYS_getpid) == getpid(), "calls afterwards");
    return 0;
}
