// flags: -no-pie -Wl,-Ttext-segment=0x10000
// expect: The heap of a program that lies at the lowest addresses there are, so that there is no room before its text, and
// that has asked for addresses that are not random, so that the heap begins right behind its data. The heap can grow as
// it does natively: nothing has come to lie behind it.
// musl: yes
#include "guest.h"
#include <sys/personality.h>

enum { PIECE = 1 << 20, PIECES = 256 };

// A site in the program's own text.
static long own_pid(void) { return raw0(SYS_getpid); }

int main(int argc, char **argv) {
    if (argc == 1) {
        CHECK(personality(ADDR_NO_RANDOMIZE) >= 0, "personality");
        char *again[] = {argv[0], "again", NULL};
        execv("/proc/self/exe", again);
        CHECK(0, "execv");
    }
    CHECK(own_pid() == getpid(), "own_pid");
    long end = raw1(SYS_brk, 0);
    for (int piece = 1; piece <= PIECES; piece++) {
        long wanted = end + (long)piece * PIECE;
        CHECK(raw1(SYS_brk, wanted) == wanted, "the heap ends after %d MiB", piece - 1);
    }
    CHECK(raw1(SYS_brk, end) == end, "the heap cannot shrink");
    ok("the heap has grown");
    return 0;
}
