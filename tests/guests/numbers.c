// expect: The kernel takes the call's number from eax as a signed 32-bit value; it ignores the upper half of
// rax, and x32 numbers have bit 30 set. An interceptor that indexes a table by rax, by 16 bits of it or without
// a bound answers the wrong call. Each number below is used with zero arguments, in the site that can be patched
// and once more through libc's syscall(); the result is printed by class (an errno, `pid`, or a value), so the
// native and the intercepted run must print the same lines. 65536+231 read as 16 bits would end the process.
// musl: yes
#include "guest.h"

static const char *class_of(long ret, char *buffer, size_t size) {
    if (ret == getpid())
        return "pid";
    if (ret < 0 && ret > -4096)
        snprintf(buffer, size, "errno %ld", -ret);
    else
        snprintf(buffer, size, "%#lx", ret);
    return buffer;
}

int main(void) {
    static const unsigned long numbers[] = {
        39,
        0xdeadbeef00000027,
        0xffffffff00000027,
        0x8000000000000027,
        0x100000000 + 39,
        -1,
        0xffffffff,
        0x7fffffff,
        0x80000000,
        0x80000027,
        0xffffffff80000027,
        0x40000027, // getpid of x32
        0x4000ffff,
        0xc0000027,
        463,
        500,
        511,
        512, // 512 to 547 are x32's own
        513,
        547,
        548,
        1000,
        1023,
        1024,
        4095,
        4096,
        32767,
        32768,
        65535,
        65536,
        65536 + 39,
        65536 + 231, // exit_group
        131072 + 39,
        0x01000027,
        0x10000000 + 39,
        -4095,
        -39,
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char first[32], second[32];
        long ret = raw0((long)numbers[i]);
        const char *class = class_of(ret, first, sizeof first);
        errno = 0;
        long libc_ret = syscall((long)numbers[i], 0, 0, 0, 0, 0, 0);
        if (libc_ret == -1)
            libc_ret = -errno;
        CHECK(libc_ret == ret, "%#lx: own site says %s, libc's %s", numbers[i], class,
              class_of(libc_ret, second, sizeof second));
        ok("%#lx is %s", numbers[i], class);
    }
    return 0;
}
