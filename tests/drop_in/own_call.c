// Makes one call by an instruction of its own and one by libc's.
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
    long own = SYS_getppid;
    __asm__ volatile("syscall" : "+a"(own) : : "rcx", "r11", "memory");
    printf("%s %s\n", own == 4711 ? "seen" : "unseen", getppid() == 4711 ? "seen" : "unseen");
    return 0;
}
