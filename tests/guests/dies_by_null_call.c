// ends: SIGSEGV
// expect: A program that dies by a null call must die by SIGSEGV, with what it wrote before intact and nothing added.
// musl: yes
#include "guest.h"
#include <sys/resource.h>

int main(void) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    ok("about to call nothing");
    void (*volatile nothing)(void) = NULL;
    nothing();
    differs("the call of nothing returned");
}
