// expect: A program may run with RFLAGS.AC set; Linux then turns each misaligned access of user code into
// SIGBUS. A stub or entry that reads or writes misaligned words dies there, and one that saves flags by halves
// (lahf) loses the bit. Calls are made with AC set, at an aligned stack pointer; the results and r11 are right,
// AC is still set, and no SIGBUS arrives.
#include "guest.h"
#include <fcntl.h>

enum { AC = 1 << 18 };

int main(void) {
    int null = open("/dev/null", O_WRONLY);
    long pid = getpid();
    for (int i = 0; i < 1000; i++) {
        long nr = i % 2 ? SYS_write : SYS_getpid;
        long ret;
        unsigned long flags_in_r11, flags_after;
        __asm__ volatile("lea -256(%%rsp), %%rsp\n\t"
                         "pushfq\n\t"
                         "orl $0x40000, (%%rsp)\n\t"
                         "popfq\n\t"
                         "syscall\n\t"
                         "mov %%r11, %1\n\t"
                         "pushfq\n\t"
                         "pop %2\n\t"
                         "pushq $0x202\n\t"
                         "popfq\n\t"
                         "lea 256(%%rsp), %%rsp"
                         : "=a"(ret), "=&r"(flags_in_r11), "=&r"(flags_after)
                         : "a"(nr), "D"((long)null), "S"("hello"), "d"(5L)
                         : "rcx", "r11", "memory", "cc");
        CHECK(ret == (i % 2 ? 5 : pid), "result %ld", ret);
        CHECK(flags_in_r11 & AC, "r11 %lx lost AC", flags_in_r11);
        CHECK(flags_after & AC, "RFLAGS %lx lost AC", flags_after);
    }
    ok("calls with RFLAGS.AC set");
    return 0;
}
