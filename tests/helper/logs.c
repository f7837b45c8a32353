// The logger. The argument says what is done.
#include "check.h"

LOG_INIT("logs", LOG_INFO);

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
        trace("traced %d", 1);
        trace_here();
        trace_enter();
        trace_leave();
    } else if (strcmp(what, "errors") == 0) {
        errno = ENOENT;
        log_perror(LOG_ERR, "open %s", "/x");
        CHECK(errno == ENOENT);
        log_perror_code(LOG_ERR, -EACCES, "negative");
        log_perror_code(LOG_ERR, 4000, "unknown");
        errno = EAGAIN;
        own("own %s %m", "function");
        const char *volatile none = NULL;
        log(LOG_INFO, "%s", none);
    } else if (strcmp(what, "formats") == 0) {
        formats();
        puts("ok");
    } else if (strcmp(what, "switches") == 0) {
        CHECK(log_enable(0) == LOG_TO_STDERR);
        log(LOG_ERR, "hidden");
        CHECK(log_enable(LOG_TO_STDERR) == 0);
        CHECK(log_level(LOG_ERR) == LOG_INFO);
        log(LOG_WARNING, "hidden");
        log(LOG_ERR, "shown");
        CHECK(log_level(-1) == LOG_ERR);
        log(LOG_EMERG, "hidden");
        log_level(LOG_INFO);
#ifndef __cplusplus
        log_perror(LOG_DEBUG, "hidden");
#endif
        CHECK((log)(1.0) == 0.0);
    } else if (strcmp(what, "long") == 0) {
        static char text[5000];
        memset(text, 'x', sizeof(text) - 1);
        log(LOG_INFO, "%s", text);
    } else if (strcmp(what, "verify") == 0) {
        log_verify(evaluated() == 1);
        log_verify_msg(count == 2, "not shown");
        errno = EPERM;
        log_verify_perror(count == 3, "count is %d", count);
    } else if (strcmp(what, "abort") == 0) {
        signal(SIGABRT, SIG_IGN);
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, NULL);
        log_abort("the end of %s", what);
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
        CHECK(log_enable(LOG_TO_SYSLOG) == LOG_TO_STDERR);
        log(LOG_WARNING, "to %s", "syslog");
        log(LOG_DEBUG, "hidden");
        log_enable(LOG_TO_SYSLOG | LOG_TO_STDERR);
        log(LOG_ERR, "to both");
        printf("%u\n", log_lost());
    }
    return 0;
}
