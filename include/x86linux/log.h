/*
 * x86linux/log.h - a leveled logger that may be used anywhere.
 *
 *     LOG_INIT();                         // in a constructor, or main
 *     log_enable(LOG_INFO);
 *
 *     log(LOG_INFO, "opened %s", path);
 *     log_perror(LOG_ERR, path);
 *     log_verify(fd >= 0);
 *
 * A line is composed on the stack and written at once: there is no lock to wait for,
 * none that a killed holder could keep, and nothing that a signal handler or a
 * hook could interrupt half done. Formats are those of format.h; %m is the name of the
 * error in errno.
 *
 *     ls[4711] err: hook.c:42: open /x: ENOENT
 *
 * Levels are those of syslog(3), LOG_EMERG to LOG_DEBUG. Nothing is logged before
 * log_enable, unless the environment variable X86LINUX_LOG_LVL has a level, as a number
 * (0 to 7) or a name (emerg, alert, crit, err, warning, notice, info, debug): then it is
 * in force from the beginning, and until log_enable says another.
 *
 * Names that begin with trace do the same as those with log, but nothing where NDEBUG is
 * defined.
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

/* The level of a log that is off: the initial one. */
#define LOG_DISABLED (-1)

/* Bytes of the longest line; a longer one is cut. */
#define LOG_LINE_MAX 1024

/* Where syslog listens. */
#ifndef X86LINUX_LOG_SOCKET
#define X86LINUX_LOG_SOCKET "/dev/log"
#endif

/* Where lines go. */
enum { X86LINUX_LOG_STDERR = 1, X86LINUX_LOG_SYSLOG = 2 };

struct x86linux_logger {
    const char *ident; /* NULL: the program's name */
    int level;
    int facility;
    int sinks;
    unsigned lost; /* lines that could not be written */
};
__attribute__((weak, visibility("hidden"))) struct x86linux_logger x86linux_logger = {
    NULL, LOG_DISABLED, LOG_USER, X86LINUX_LOG_STDERR, 0};

/* libc's: the last part of argv[0]. */
#ifdef __cplusplus
extern "C" {
#endif
extern char *program_invocation_short_name;
#ifdef __cplusplus
}
#endif

static inline const char *x86linux_level_name(int level)
{
    static const char names[8][8] = {"emerg",   "alert",  "crit", "err",
                                     "warning", "notice", "info", "debug"};
    return names[level < 0 ? 0 : level > LOG_DEBUG ? LOG_DEBUG : level];
}

/* The level that a number or a name stands for; LOG_DISABLED for none. */
static inline int x86linux_level_of(const char *text)
{
    if (x86linux_is_digit(text[0]) && !text[1] && text[0] <= '7')
        return text[0] - '0';
    for (int level = 0; level <= LOG_DEBUG; level++) {
        const char *name = x86linux_level_name(level);
        int i = 0;
        while (name[i] && text[i] == name[i])
            i++;
        if (!name[i] && !text[i])
            return level;
    }
    return LOG_DISABLED;
}

/* The level in force: lines of this one and of more urgent ones are logged. */
static inline int log_lvl(void)
{
    return __atomic_load_n(&x86linux_logger.level, __ATOMIC_RELAXED);
}

/* Sets the level, or LOG_DISABLED. Returns it. */
static inline int log_enable(int level)
{
    __atomic_store_n(&x86linux_logger.level, level, __ATOMIC_RELAXED);
    return level;
}

/* Logs nothing more. */
static inline void log_disable(void)
{
    log_enable(LOG_DISABLED);
}

/* Lines that could not be written so far. */
static inline unsigned log_lost(void)
{
    return __atomic_load_n(&x86linux_logger.lost, __ATOMIC_RELAXED);
}

/* The level that the environment says; LOG_DISABLED if none. */
static inline int x86linux_level_said(void)
{
    const char *said = getenv("X86LINUX_LOG_LVL");
    return said ? x86linux_level_of(said) : LOG_DISABLED;
}

/*
 * Begins anew: log_enable has not been called. ident is what lines begin with, and must
 * stay where it is; NULL for the program's name. Lines go to standard error if use_syslog
 * is 0. Otherwise they go to syslog, with a facility of syslog(3), LOG_USER for -1; and to
 * standard error as well if option has LOG_PERROR, or is -1. Its other bits are ignored:
 * each line has the thread's id. Not while other threads log; it looks at the environment.
 */
static inline void log_init(const char *ident, int option, int facility, int use_syslog)
{
    x86linux_logger.ident = ident;
    x86linux_logger.facility = facility == -1 ? LOG_USER : facility;
    x86linux_logger.sinks = !use_syslog            ? X86LINUX_LOG_STDERR
                            : option & LOG_PERROR ? X86LINUX_LOG_SYSLOG | X86LINUX_LOG_STDERR
                                                  : X86LINUX_LOG_SYSLOG;
    log_enable(x86linux_level_said());
}

/* log_init by default: the program's name, to standard error. */
#define LOG_INIT() log_init(NULL, -1, -1, 0)

/* The opposite: logs nothing more, and if so to standard error. */
static inline void log_deinit(void)
{
    log_disable();
    x86linux_logger.sinks = X86LINUX_LOG_STDERR;
}

/* Before the constructors of hooks. Of those of several files each does the same. */
__attribute__((constructor(101))) static void x86linux_log_start(void)
{
    if (log_lvl() == LOG_DISABLED)
        log_enable(x86linux_level_said());
}

/* Whether a line of this level would be logged. */
static inline int log_is_on(int level)
{
    return level <= log_lvl();
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
    char bytes[LOG_LINE_MAX];
    const int severity = level > LOG_DEBUG ? LOG_DEBUG : level < 0 ? 0 : level;
    const int facility = __atomic_load_n(&x86linux_logger.facility, __ATOMIC_RELAXED);
    const int sinks = __atomic_load_n(&x86linux_logger.sinks, __ATOMIC_RELAXED);
    const char *ident = __atomic_load_n(&x86linux_logger.ident, __ATOMIC_RELAXED);
    if (!ident)
        ident = program_invocation_short_name;
    /* The line's end has its place. */
    struct x86linux_text text = {bytes, sizeof(bytes) - 1, 0};

    x86linux_format(&text, "<%d>", facility | severity);
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
    if (sinks & X86LINUX_LOG_SYSLOG)
        is_lost |= x86linux_send_syslog(bytes, text.length) < 0;
    bytes[text.length++] = '\n';
    if (sinks & X86LINUX_LOG_STDERR)
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

/* The same for functions that have arguments of their own. */
__attribute__((format(printf, 4, 0))) static inline void
vlog_at(int level, const char *file, int line, const char *format, va_list list)
{
    if (log_is_on(level))
        x86linux_vlog_line(level, file, line, -1, format, list);
}

/* A line, whatever the level in force, with the name of an error behind it unless that is
 * negative. */
__attribute__((format(printf, 5, 6))) static inline void
x86linux_log_line(int level, const char *file, int line, int error, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    x86linux_vlog_line(level, file, line, error, format, list);
    va_end(list);
}

/* Logs a text and ": " and the name of an error; that alone if the text is NULL or empty. */
static inline void log_perror_at(int level, const char *file, int line, const char *text,
                                 int error)
{
    if (!log_is_on(level))
        return;
    const int positive = error < 0 ? -error : error;
    const char *name = x86linux_error_name(positive);
    if (text && *text)
        x86linux_log_line(level, file, line, positive, "%s", text);
    else
        x86linux_log_line(level, file, line, -1, "%s", name ? name : "unknown error");
}

static inline void x86linux_backtrace_line(void *level, const char *text)
{
    x86linux_log_line(*(const int *)level, NULL, 0, -1, "%s", text);
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

/* Logs a text, and an error if that is not 0, and the callers, whatever the level in force;
 * ends the process by SIGABRT, whether it is blocked, ignored or handled. */
__attribute__((noreturn, noinline, unused)) static void
x86linux_abort(const char *file, int line, const char *text, int error)
{
    const uint64_t by_default[4] = {0, 0, 0, 0}; /* the kernel's struct sigaction */
    const x86linux_sigset others = ~((x86linux_sigset)1 << (SIGABRT - 1));
    int level = LOG_CRIT;
    x86linux_log_line(level, file, line, error ? error : -1, "%s", text);
    x86linux_backtrace(__builtin_frame_address(0), x86linux_backtrace_line, &level);
    x86linux_call(SYS_rt_sigaction, SIGABRT, x86linux_address(by_default), 0, 8, 0, 0);
    x86linux_call(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, x86linux_address(&others), 0, 8, 0, 0);
    x86linux_call(SYS_tgkill, x86linux_getpid(), x86linux_gettid(), SIGABRT, 0, 0, 0);
    for (;;)
        x86linux_call(SYS_exit_group, 128 + SIGABRT, 0, 0, 0, 0, 0);
}

/* Logs a text, ": " and the name of the error in errno; that alone without a text. */
#define log_perror(level, text) log_perror_at(level, __FILE__, __LINE__, text, errno)

/* The bodies of those below; text is the expression as it is written. */
#define x86linux_perror_false(level, expression, text)                                    \
    ((expression) ? (void)0 : log_perror(level, text))
#define x86linux_perror_errno(level, expression, text)                                    \
    __extension__({                                                                       \
        const int x86linux_error = (int)(expression);                                     \
        if (__builtin_expect(x86linux_error != 0, 0))                                     \
            log_perror_at(level, __FILE__, __LINE__, text, x86linux_error);               \
    })
#define x86linux_perror_error(level, expression, text)                                    \
    __extension__({                                                                       \
        errno = 0;                                                                        \
        expression;                                                                       \
        if (__builtin_expect(errno != 0, 0))                                              \
            log_perror(level, text);                                                      \
    })
#define x86linux_verify(expression, text)                                                 \
    (__builtin_expect(!!(expression), 1)                                                  \
         ? (void)0                                                                        \
         : x86linux_abort(__FILE__, __LINE__, text " does not hold", 0))
#define x86linux_verify_errno(expression, text)                                           \
    __extension__({                                                                       \
        const int x86linux_error = (int)(expression);                                     \
        if (__builtin_expect(x86linux_error != 0, 0))                                     \
            x86linux_abort(__FILE__, __LINE__, text, x86linux_error);                     \
    })
#define x86linux_verify_error(expression, text)                                           \
    __extension__({                                                                       \
        errno = 0;                                                                        \
        expression;                                                                       \
        if (__builtin_expect(errno != 0, 0))                                              \
            x86linux_abort(__FILE__, __LINE__, text, errno);                              \
    })

/* Logs an expression with the name of an error: if it is 0, or false, that in errno; */
#define log_perror_false(level, expression) x86linux_perror_false(level, expression, #expression)
/* if it is not 0, that which it is; */
#define log_perror_errno(level, expression) x86linux_perror_errno(level, expression, #expression)
/* if it leaves an error in errno, which is made 0 before, that. */
#define log_perror_error(level, expression) x86linux_perror_error(level, expression, #expression)

/* Calls a function and logs the call and its result, with formats of your own. Its value is
 * the result: log_call(LOG_DEBUG, "%d", open, "%s, %#x", path, O_RDONLY). */
#define log_call(level, result_format, function, format, ...)                             \
    __extension__({                                                                       \
        const __typeof__(function(__VA_ARGS__)) x86linux_result = function(__VA_ARGS__);  \
        log_at(level, __FILE__, __LINE__, #function "(" format ") = " result_format,      \
               ##__VA_ARGS__, x86linux_result);                                           \
        x86linux_result;                                                                  \
    })

/* Logs that, and the callers, whatever the level in force, and ends the process by
 * SIGABRT. */
#define log_abort() x86linux_abort(__FILE__, __LINE__, "aborted", 0)

/* The same for an expression that does not hold: that is 0, or false; */
#define log_verify(expression) x86linux_verify(expression, #expression)
/* that is not 0, which is an error; */
#define log_verify_errno(expression) x86linux_verify_errno(expression, #expression)
/* that leaves an error in errno, which is made 0 before. */
#define log_verify_error(expression) x86linux_verify_error(expression, #expression)

/* The same as those with log; nothing with NDEBUG. trace_assert is log_verify. */
#ifndef NDEBUG
#define trace_backtrace(level) log_backtrace(level)
#define trace_call(level, result_format, function, format, ...)                           \
    log_call(level, result_format, function, format, ##__VA_ARGS__)
#define trace_perror(level, text) log_perror(level, text)
#define trace_perror_false(level, expression)                                             \
    x86linux_perror_false(level, expression, #expression)
#define trace_perror_errno(level, expression)                                             \
    x86linux_perror_errno(level, expression, #expression)
#define trace_perror_error(level, expression)                                             \
    x86linux_perror_error(level, expression, #expression)
#define trace_assert(expression) x86linux_verify(expression, #expression)
#define trace_assert_errno(expression) x86linux_verify_errno(expression, #expression)
#define trace_assert_error(expression) x86linux_verify_error(expression, #expression)
#else
#define trace_backtrace(level) ((void)0)
#define trace_call(level, result_format, function, format, ...) ((void)0)
#define trace_perror(level, text) ((void)0)
#define trace_perror_false(level, expression) ((void)0)
#define trace_perror_errno(level, expression) ((void)0)
#define trace_perror_error(level, expression) ((void)0)
#define trace_assert(expression) ((void)0)
#define trace_assert_errno(expression) ((void)0)
#define trace_assert_error(expression) ((void)0)
#endif

/* Logs a line; with a va_list. */
#define vlog(level, format, list) vlog_at(level, __FILE__, __LINE__, format, list)
#ifndef X86LINUX_NO_SHORT_NAMES
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
/* Not checked as a format: the compiler has no literal to check. */
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

/* log and vlog; nothing with NDEBUG. */
#ifndef NDEBUG
#define trace(level, ...) log(level, __VA_ARGS__)
#define vtrace(level, format, list) vlog(level, format, list)
#else
#define trace(level, ...) ((void)0)
#define vtrace(level, format, list) ((void)0)
#endif
#endif

#endif
