// What every guest shares: one line per thing shown, written at once and unbuffered, so that forked
// children, handlers and seccomp filters never meet stdio; and a system call instruction of the guest's own.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline void say_line(const char *prefix, const char *format, va_list args) {
    char line[1024];
    size_t used = (size_t)snprintf(line, sizeof line, "%s", prefix);
    used += (size_t)vsnprintf(line + used, sizeof line - used - 1, format, args);
    if (used > sizeof line - 2)
        used = sizeof line - 2;
    line[used++] = '\n';
    ssize_t written = write(STDOUT_FILENO, line, used);
    (void)written;
}

// Reports one thing that holds. errno survives, so that a check of errno may follow.
__attribute__((format(printf, 1, 2))) static inline void ok(const char *format, ...) {
    int saved = errno;
    va_list args;
    va_start(args, format);
    say_line("ok ", format, args);
    va_end(args);
    errno = saved;
}

// Reports what differed and ends the process with status 1.
__attribute__((format(printf, 1, 2), noreturn)) static inline void differs(const char *format, ...) {
    va_list args;
    va_start(args, format);
    say_line("DIFFERS ", format, args);
    va_end(args);
    _exit(1);
}

#define CHECK(condition, format, ...)                                                                      \
    do {                                                                                                   \
        if (!(condition)) {                                                                                \
            int errno_then_ = errno;                                                                       \
            differs("%s:%d: %s: " format " (errno %d)", __FILE_NAME__, __LINE__, #condition,               \
                    ##__VA_ARGS__, errno_then_);                                                           \
        }                                                                                                  \
    } while (0)

// A time limit in milliseconds, and how often something that must happen is looked for, a millisecond apart: nothing is
// late before, however many others want the processor, and whoever waits for the guest has more patience still.
enum { LIMIT_MS = 100000, LOOKS = 100000 };

// For a child that does not end by itself: it shall not outlive a parent that has found something wrong, whose output it
// would hold open.
static inline void end_with_parent(void) { syscall(SYS_prctl, 1 /* PR_SET_PDEATHSIG */, 9 /* SIGKILL */); }

// The guest's own system call instruction, inlined where it is used. Returns what the kernel returned.
static inline long raw6(long nr, long a, long b, long c, long d, long e, long f) {
    long ret;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return ret;
}
#define raw0(nr) raw6((nr), 0, 0, 0, 0, 0, 0)
#define raw1(nr, a) raw6((nr), (long)(a), 0, 0, 0, 0, 0)
#define raw2(nr, a, b) raw6((nr), (long)(a), (long)(b), 0, 0, 0, 0)
#define raw3(nr, a, b, c) raw6((nr), (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define raw4(nr, a, b, c, d) raw6((nr), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
