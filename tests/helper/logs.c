// The logger. The argument says what is done.
#include "check.h"

static void formats(void)
{
    char line[300];
    struct x86linux_text text;
// The same by libc and by us.
#define SAME(...)                                                                          \
    do {                                                                                   \
        char expected[300];                                                                \
        snprintf(expected, sizeof(expected), __VA_ARGS__);                                 \
        text.at = line;                                                                    \
        text.size = sizeof(line) - 1;                                                      \
        text.length = 0;                                                                   \
        x86linux_format(&text, __VA_ARGS__);                                               \
        line[text.length] = 0;                                                             \
        if (strcmp(line, expected) != 0) {                                                 \
            printf("line %d: [%s], libc has [%s]\n", __LINE__, line, expected);            \
            exit(1);                                                                       \
        }                                                                                  \
    } while (0)
    SAME("%d %i %u %x %X %o %c %s %p %%", -5, 7, 9u, 0xabcu, 0xdefu, 8u, 'x', "text", (void *)line);
    SAME("[%5d] [%-5d] [%05d] [%+d] [% d] [%.3d] [%8.3d] [%-8.3d]", 42, 42, 42, 42, 42, 42, 42, 42);
    SAME("[%5d] [%-5d] [%05d] [%+d] [% d] [%.3d] [%8.3d]", -42, -42, -42, -42, -42, -42, -42);
    SAME("[%#x] [%#X] [%#o] [%#10x] [%#010x] [%-#10x] [%#x]", 255u, 255u, 8u, 255u, 255u, 255u, 0u);
    SAME("[%10s] [%-10s] [%.2s] [%10.2s] [%*s] [%-*s] [%.*s]", "abc", "abc", "abc", "abc", 7, "abc",
         7, "abc", 1, "abc");
    SAME("[%*d] [%.*d] [%.0d]", -6, 5, 4, 5, 0);
    SAME("%hhd %hd %ld %lld %zd %jd %td", (signed char)-1, (short)-2, -3L, -4LL, (ssize_t)-5,
         (intmax_t)-6, (ptrdiff_t)-7);
    SAME("%hhu %hu %lu %llx %zu", (unsigned char)255, (unsigned short)65535, ~0UL, ~0ULL,
         (size_t)1);
    SAME("%d %d %ld", -2147483647 - 1, 2147483647, -9223372036854775807L - 1);
    SAME("[%c] [%3c] [%-3c]", 'a', 'b', 'c');
    SAME("%s", "");
}

static void from_handler(int signal)
{
    log(LOG_NOTICE, "handler of %d", signal);
}

static void *many(void *argument)
{
    for (int i = 0; i < 2000; i++)
        log(LOG_INFO, "%.*s", 100, "0123456789012345678901234567890123456789012345678901234567890"
                                   "1234567890123456789012345678901234567890");
    return argument;
}

__attribute__((noinline)) static void innermost(void)
{
    log_backtrace(LOG_ERR);
    __asm__ volatile("");
}

__attribute__((noinline)) static void outer(void)
{
    innermost();
    __asm__ volatile("");
}

__attribute__((format(printf, 1, 2))) static void own(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vlog(LOG_WARNING, format, list);
    va_end(list);
}

__attribute__((format(printf, 1, 2))) static void vlog_of(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vlog_at(LOG_INFO, "elsewhere.c", 1, format, list);
    va_end(list);
}

__attribute__((format(printf, 1, 2), unused)) static void traced(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vtrace(LOG_WARNING, format, list);
    va_end(list);
}

__attribute__((unused)) static int twice(int a, int b)
{
    return 2 * a + b;
}

static int evaluated(void)
{
    puts("evaluated");
    return 1;
}

int main(int count, char **arguments)
{
    const char *what = count > 1 ? arguments[1] : "";
    if (strcmp(what, "levels") == 0) {
        for (int level = LOG_EMERG; level <= LOG_DEBUG; level++)
            log(level, "level %d", level);
        return 0;
    }
    LOG_INIT();
    CHECK(log_lvl() == LOG_DISABLED || getenv("X86LINUX_LOG_LVL"));
    CHECK(log_enable(LOG_INFO) == LOG_INFO);
    if (strcmp(what, "traces") == 0) {
        log_enable(LOG_DEBUG);
        trace(LOG_INFO, "traced %d", 1);
        errno = ENOENT;
        trace_perror(LOG_ERR, "perror");
        trace_perror_false(LOG_ERR, errno == 0);
        trace_perror_errno(LOG_ERR, EINVAL);
        trace_perror_error(LOG_ERR, close(-1));
        trace_call(LOG_DEBUG, "%d", twice, "%d, %d", 2, 3);
        trace_assert(count == 2);
        trace_assert_errno(0);
        trace_assert_error(getppid());
        traced("v%s", "trace");
        trace_backtrace(LOG_ERR);
    } else if (strcmp(what, "errors") == 0) {
        errno = ENOENT;
        log_perror(LOG_ERR, "open %s");
        CHECK(errno == ENOENT);
        log_perror(LOG_ERR, NULL);
        log_perror_false(LOG_ERR, count == 0);
        log_perror_false(LOG_ERR, count == 2);
        log_perror_errno(LOG_ERR, -EACCES);
        log_perror_errno(LOG_ERR, 4000);
        log_perror_errno(LOG_ERR, 0);
        log_perror_error(LOG_ERR, close(-1));
        errno = ENOENT;
        log_perror_error(LOG_ERR, getppid());
        CHECK(log_call(LOG_INFO, "%d", twice, "%d, %d", 2, 3) == 7);
        errno = EAGAIN;
        own("own %s %m", "function");
        const char *volatile none = NULL;
        log(LOG_INFO, "%s", none);
    } else if (strcmp(what, "formats") == 0) {
        formats();
        puts("ok");
    } else if (strcmp(what, "switches") == 0) {
        log_disable();
        log(LOG_EMERG, "hidden");
        CHECK(log_lvl() == LOG_DISABLED && log_enable(LOG_ERR) == LOG_ERR);
        log(LOG_WARNING, "hidden");
        log(LOG_ERR, "shown");
        log_perror(LOG_DEBUG, "hidden");
        log_backtrace(LOG_DEBUG);
        log_deinit();
        log(LOG_EMERG, "hidden");
        CHECK(log_is_on(LOG_ERR) == 0 && log_enable(LOG_INFO) == LOG_INFO && log_is_on(LOG_INFO));
        // By the functions that the macros call.
        log_perror_at(LOG_DEBUG, __FILE__, __LINE__, "hidden", ENOENT);
        log_at(LOG_NOTICE, __FILE__, __LINE__, "at %d", 1);
        vlog_of("vlog_at %d", 2);
        CHECK((log)(1.0) == 0.0);
    } else if (strcmp(what, "long") == 0) {
        static char text[LOG_LINE_MAX * 5];
        memset(text, 'x', sizeof(text) - 1);
        log(LOG_INFO, "%s", text);
    } else if (strcmp(what, "verify") == 0) {
        log_verify(evaluated() == 1);
        log_verify_errno(0);
        log_verify_error(getppid());
        // Also when nothing is to be logged.
        log_disable();
        log_verify(count == 3);
    } else if (strcmp(what, "verify_errno") == 0) {
        log_verify_errno(EPERM);
    } else if (strcmp(what, "verify_error") == 0) {
        log_verify_error(close(-1));
    } else if (strcmp(what, "abort") == 0) {
        signal(SIGABRT, SIG_IGN);
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, NULL);
        log_abort();
    } else if (strcmp(what, "backtrace") == 0) {
        outer();
    } else if (strcmp(what, "threads") == 0) {
        in_threads(4, many, NULL);
    } else if (strcmp(what, "handlers") == 0) {
        struct itimerval often = {{0, 200}, {0, 200}};
        signal(SIGALRM, from_handler);
        setitimer(ITIMER_REAL, &often, NULL);
        for (int i = 0; i < 3000; i++)
            log(LOG_INFO, "main %d", i);
    } else if (strcmp(what, "broken") == 0) {
        // Nobody reads; that is no reason to die, nor does the signal stay.
        int ends[2];
        CHECK(pipe(ends) == 0);
        close(ends[0]);
        dup2(ends[1], 2);
        log(LOG_ERR, "unheard");
        sigset_t pending;
        sigpending(&pending);
        CHECK(log_lost() == 1 && !sigismember(&pending, SIGPIPE));
        puts("ok");
    } else if (strcmp(what, "killed") == 0) {
        // A writer that is killed at any moment keeps nobody waiting.
        for (int i = 0; i < 50; i++) {
            const pid_t pid = fork();
            if (pid == 0)
                for (;;)
                    log(LOG_INFO, "child");
            usleep(500);
            kill(pid, SIGKILL);
            log(LOG_INFO, "parent");
            waitpid(pid, NULL, 0);
        }
        puts("ok");
    } else if (strcmp(what, "syslog") == 0) {
        log_init("named", LOG_PID, LOG_LOCAL3, 1);
        log(LOG_EMERG, "hidden");
        log_enable(LOG_INFO);
        log(LOG_WARNING, "to %s", "syslog");
        log(LOG_DEBUG, "hidden");
        log_init(NULL, -1, -1, 1);
        log_enable(LOG_INFO);
        log(LOG_ERR, "to both");
        printf("%u\n", log_lost());
    }
    return 0;
}
