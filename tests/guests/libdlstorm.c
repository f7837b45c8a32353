// Library of the guest `dlstorm` (build: cc -O2 -shared -fPIC, as libdlstorm.so in the guests' directory):
// has sites of its own, one of them in a constructor.
#include "guest.h"

static long constructed_in;

__attribute__((constructor)) static void construct(void) { constructed_in = raw0(SYS_getpid); }

long dlstorm_pid(void) { return raw0(SYS_getpid); }
long dlstorm_constructed_in(void) { return constructed_in; }
long dlstorm_fail(int fd) { return raw1(SYS_close, fd); }
long dlstorm_call(long nr, long a, long b) { return raw2(nr, a, b); }
