/*
 * x86linux/log.h - a leveled logger that may be used anywhere.
 *
 *     LOG_INIT("myhook", LOG_INFO);      // once, outside of any function
 *
 *     log(LOG_INFO, "opened %s", path);
 *     log_perror(LOG_ERR, "open %s", path);
 *     log_verify(fd >= 0);
 *
 * A line is composed on the stack and written at once: there is no lock to wait for,
 * none that a killed holder could keep, and nothing that a signal handler or a
 * hook could interrupt half done. Formats are those of format.h.
 *
 *     myhook[4711] err: hook.c:42: open /x: ENOENT
 *
 * Levels are those of syslog(3), LOG_EMERG to LOG_DEBUG, and LOG_TRACE beyond. The
 * environment variable X86LINUX_LOG_LVL, a number (0 to 8) or a name (emerg, alert,
 * crit, err, warning, notice, info, debug, trace), overrides that of LOG_INIT.
 *
 * In C, log is a macro, so that there is the place in the line; math.h is included
 * before it, and (log)(2.0) is its function. In C++ it is an overload. Without it, and
 * without trace: define X86LINUX_NO_SHORT_NAMES, and use log_at.
 */
#ifndef X86LINUX_LOG_H
#define X86LINUX_LOG_H

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>

#include "backtrace.h"
#include "call.h"
#include "format.h"

/* More than LOG_DEBUG: each step. */
#define LOG_TRACE 8

/* Where lines go. */
#define LOG_TO_STDERR 1u
#define LOG_TO_SYSLOG 2u

/* Longest line; a longer one is cut. */
#define X86LINUX_LOG_LINE 1024

/* Where syslog listens. */
#ifndef X86LINUX_LOG_SOCKET
#define X86LINUX_LOG_SOCKET "/dev/log"
#endif

struct x86linux_logger {
    const char *ident;
    int level;
    unsigned sinks;
    unsigned lost; /* lines that could not be written */
};
__attribute__((weak, visibility("hidden"))) struct x86linux_logger x86linux_logger = {
    "log", LOG_INFO, LOG_TO_STDERR, 0};

static inline const char *x86linux_level_name(int level)
{
    static const char names[9][8] = {"emerg",  "alert", "crit",  "err",  "warning",
                                     "notice", "info",  "debug", "trace"};
    return names[level < 0 ? 0 : level > LOG_TRACE ? LOG_TRACE : level];
}

/* The level that a number or a name stands for; -1 for none. */
static inline int x86linux_level_of(const char *text)
{
    if (x86linux_is_digit(text[0]) && !text[1] && text[0] <= '8')
        return text[0] - '0';
    for (int level = 0; level <= LOG_TRACE; level++) {
        const char *name = x86linux_level_name(level);
        int i = 0;
        while (name[i] && text[i] == name[i])
            i++;
        if (!name[i] && !text[i])
            return level;
    }
    return -1;
}

/* Which lines are logged: those of this level and more urgent ones; -1 for none. Returns
 * what it was. */
static inline int log_level(int level)
{
    return __atomic_exchange_n(&x86linux_logger.level, level, __ATOMIC_RELAXED);
}

/* Where lines go: LOG_TO_STDERR, LOG_TO_SYSLOG, both, or 0 for nowhere. Returns what it
 * was. */
static inline unsigned log_enable(unsigned sinks)
{
    return __atomic_exchange_n(&x86linux_logger.sinks, sinks, __ATOMIC_RELAXED);
}

/* Lines that could not be written so far. */
static inline unsigned log_lost(void)
{
    return __atomic_load_n(&x86linux_logger.lost, __ATOMIC_RELAXED);
}

/*
 * Sets the name that lines begin with, which must stay where it is, and the level,
 * unless the environment says another. To be called before main, since it looks at the
 * environment; LOG_INIT does.
 */
static inline void log_init(const char *ident, int level)
{
    const char *said = getenv("X86LINUX_LOG_LVL");
    const int wanted = said ? x86linux_level_of(said) : -1;
    __atomic_store_n(&x86linux_logger.ident, ident, __ATOMIC_RELAXED);
    log_level(wanted >= 0 ? wanted : level);
}

/* log_init in a constructor, before those of hooks. */
#define LOG_INIT(ident, level)                                                            \
    __attribute__((constructor(101))) static void x86linux_log_start(void)                \
    {                                                                                     \
        log_init(ident, level);                                                           \
    }                                                                                     \
    struct x86linux_logger

/* Whether a line of this level would be logged. */
static inline int log_is_on(int level)
{
    return level <= __atomic_load_n(&x86linux_logger.level, __ATOMIC_RELAXED) &&
           __atomic_load_n(&x86linux_logger.sinks, __ATOMIC_RELAXED) != 0;
}

/* Writes to standard error; a reader that is gone is no reason to die (SIGPIPE). */
static inline long x86linux_write_stderr(const char *bytes, size_t count)
{
    const x86linux_sigset pipe = (x86linux_sigset)1 << (SIGPIPE - 1);
    const x86linux_sigset before = x86linux_block_signals();
    x86linux_sigset pending = 0;
    long written;
    if (before & pipe)
        x86linux_call(SYS_rt_sigpending, x86linux_address(&pending), sizeof(pending), 0, 0, 0, 0);
    do
        written = x86linux_call(SYS_write, 2, x86linux_address(bytes), (long)count, 0, 0, 0);
    while (written == -EINTR);
    if (written == -EPIPE && !(pending & pipe)) {
        const uint64_t now[2] = {0, 0};
        x86linux_call(SYS_rt_sigtimedwait, x86linux_address(&pipe), 0, x86linux_address(now),
                      sizeof(pipe), 0, 0);
    }
    x86linux_restore_signals(before);
    return written;
}

/* Sends to syslog, by a socket that is closed again: one kept open would be in the
 * program's way. */
static inline long x86linux_send_syslog(const char *bytes, size_t count)
{
    struct sockaddr_un address = {AF_UNIX, X86LINUX_LOG_SOCKET};
    const long fd =
        x86linux_call(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, 0, 0, 0);
    if (fd < 0)
        return fd;
    const long sent = x86linux_call(SYS_sendto, fd, x86linux_address(bytes), (long)count,
                                    MSG_NOSIGNAL, x86linux_address(&address), sizeof(address));
    x86linux_call(SYS_close, fd, 0, 0, 0, 0, 0);
    return sent;
}

/* One line, whatever the level in force. Unless `error` is negative, its name is
 * appended, and %m stands for it; otherwise for errno. */
static inline void x86linux_vlog_line(int level, const char *file, int line, int error,
                                      const char *format, va_list list)
{
    char bytes[X86LINUX_LOG_LINE];
    const int severity = level > LOG_DEBUG ? LOG_DEBUG : level < 0 ? 0 : level;
    const char *ident = __atomic_load_n(&x86linux_logger.ident, __ATOMIC_RELAXED);
    const unsigned sinks = __atomic_load_n(&x86linux_logger.sinks, __ATOMIC_RELAXED);
    /* The line's end has its place. */
    struct x86linux_text text = {bytes, sizeof(bytes) - 1, 0};

    x86linux_format(&text, "<%d>", LOG_USER | severity);
    const size_t priority = text.length;
    x86linux_format(&text, "%s[%d] %s: ", ident, x86linux_gettid(), x86linux_level_name(level));
    if (file) {
        const char *name = file;
        for (const char *at = file; *at; at++)
            if (*at == '/')
                name = at + 1;
        x86linux_format(&text, "%s:%d: ", name, line);
    }
    x86linux_vformat(&text, error < 0 ? errno : error, format, list);
    if (error >= 0) {
        const char *name = x86linux_error_name(error);
        if (name)
            x86linux_format(&text, ": %s", name);
        else
            x86linux_format(&text, ": error %d", error);
    }
    int is_lost = 0;
    if (sinks & LOG_TO_SYSLOG)
        is_lost |= x86linux_send_syslog(bytes, text.length) < 0;
    bytes[text.length++] = '\n';
    if (sinks & LOG_TO_STDERR)
        is_lost |= x86linux_write_stderr(bytes + priority, text.length - priority) < 0;
    if (is_lost)
        __atomic_fetch_add(&x86linux_logger.lost, 1, __ATOMIC_RELAXED);
}

/* Logs a line, without a place if file is NULL. */
__attribute__((format(printf, 4, 5))) static inline void log_at(int level, const char *file,
                                                                int line, const char *format, ...)
{
    if (!log_is_on(level))
        return;
    va_list list;
    va_start(list, format);
    x86linux_vlog_line(level, file, line, -1, format, list);
    va_end(list);
}

/* The same with the name of an error behind it. */
__attribute__((format(printf, 5, 6))) static inline void
log_error_at(int level, const char *file, int line, int error, const char *format, ...)
{
    if (!log_is_on(level))
        return;
    va_list list;
    va_start(list, format);
    x86linux_vlog_line(level, file, line, error < 0 ? -error : error, format, list);
    va_end(list);
}

/* For functions that have arguments of their own. */
__attribute__((format(printf, 2, 0))) static inline void vlog(int level, const char *format,
                                                              va_list list)
{
    if (log_is_on(level))
        x86linux_vlog_line(level, NULL, 0, -1, format, list);
}

static inline void x86linux_backtrace_line(void *level, const char *text)
{
    log_at(*(const int *)level, NULL, 0, "%s", text);
}

/*
 * Logs the callers, innermost first: address, object and the address in its file, as
 * addr2line(1) takes it. Follows frame pointers, so it sees as far as code has
 * them (-fno-omit-frame-pointer).
 */
__attribute__((noinline, unused)) static void log_backtrace(int level)
{
    if (log_is_on(level))
        x86linux_backtrace(__builtin_frame_address(0), x86linux_backtrace_line, &level);
}

/* Ends the process by SIGABRT, whether it is blocked, ignored or handled. */
__attribute__((noreturn)) static inline void x86linux_abort(void)
{
    const uint64_t by_default[4] = {0, 0, 0, 0}; /* the kernel's struct sigaction */
    const x86linux_sigset others = ~((x86linux_sigset)1 << (SIGABRT - 1));
    x86linux_call(SYS_rt_sigaction, SIGABRT, x86linux_address(by_default), 0, 8, 0, 0);
    x86linux_call(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, x86linux_address(&others), 0, 8, 0, 0);
    x86linux_call(SYS_tgkill, x86linux_getpid(), x86linux_gettid(), SIGABRT, 0, 0, 0);
    for (;;)
        x86linux_call(SYS_exit_group, 128 + SIGABRT, 0, 0, 0, 0, 0);
}

/* Logs a line, and ": " and the name of errno, or of the given error number. */
#define log_perror(level, ...) log_error_at(level, __FILE__, __LINE__, errno, __VA_ARGS__)
#define log_perror_code(level, error, ...)                                                \
    log_error_at(level, __FILE__, __LINE__, error, __VA_ARGS__)

/* Logs a line as LOG_CRIT, then the callers, and ends the process by SIGABRT. */
#define log_abort(...)                                                                    \
    (log_at(LOG_CRIT, __FILE__, __LINE__, __VA_ARGS__), log_backtrace(LOG_CRIT),          \
     x86linux_abort())

/* log_abort if the condition does not hold, with a message of its own, or with errno. */
#define log_verify(condition)                                                             \
    ((condition) ? (void)0 : log_abort("%s does not hold", #condition))
#define log_verify_msg(condition, ...) ((condition) ? (void)0 : log_abort(__VA_ARGS__))
#define log_verify_perror(condition, ...)                                                 \
    ((condition) ? (void)0                                                                \
                 : (log_perror(LOG_CRIT, __VA_ARGS__), log_backtrace(LOG_CRIT),           \
                    x86linux_abort()))

/* At LOG_TRACE: where execution is, with and without more to say. */
#define trace_here() log_at(LOG_TRACE, __FILE__, __LINE__, "%s", __func__)
#define trace_enter() log_at(LOG_TRACE, __FILE__, __LINE__, "> %s", __func__)
#define trace_leave() log_at(LOG_TRACE, __FILE__, __LINE__, "< %s", __func__)
#define trace_perror(...) log_perror(LOG_TRACE, __VA_ARGS__)

#ifndef X86LINUX_NO_SHORT_NAMES
#define trace(...) log_at(LOG_TRACE, __FILE__, __LINE__, __VA_ARGS__)
#ifndef __cplusplus
#define log(level, ...) log_at(level, __FILE__, __LINE__, __VA_ARGS__)
#else
/* A format, and where it stands. */
struct x86linux_format_at {
    const char *format, *file;
    int line;
    x86linux_format_at(const char *text, const char *in = __builtin_FILE(),
                       int at = __builtin_LINE())
        : format(text), file(in), line(at)
    {
    }
};
static inline void x86linux_log_here(int level, const char *file, int line, const char *format,
                                     ...)
{
    va_list list;
    va_start(list, format);
    x86linux_vlog_line(level, file, line, -1, format, list);
    va_end(list);
}
template <typename... Arguments>
static inline void log(int level, x86linux_format_at where, Arguments... arguments)
{
    if (log_is_on(level))
        x86linux_log_here(level, where.file, where.line, where.format, arguments...);
}
#endif
#endif

#endif
