// flags: -nostdlib -fno-stack-protector
// The other way of the kernel's own, as a reference: a seccomp filter turns each
// call into SIGSYS.
#include "by_signal.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

#define PR_SET_SECCOMP 22
#define PR_SET_NO_NEW_PRIVS 38

__attribute__((constructor)) static void start(void) {
    unsigned long first = (unsigned long)exempt, end = (unsigned long)exempt_end;
    unsigned place = offsetof(struct seccomp_data, instruction_pointer);
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, place + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, first >> 32, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, place),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (unsigned)first, 0, 1),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (unsigned)end, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    long no_new_privileges[6] = {PR_SET_NO_NEW_PRIVS, 1};
    long confine[6] = {PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (long)&program};
    if (handle_calls() == 0 && exempt_call(__NR_prctl, no_new_privileges) == 0)
        exempt_call(__NR_prctl, confine);
}
