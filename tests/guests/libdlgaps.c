// flags: -nostdlib -Wl,-z,max-page-size=0x10000
// Library of the guest `dlgaps`: between its segments there are gaps.
#include "guest.h"

static const long numbers[] = {SYS_getpid, SYS_getppid, 5001};

long dlgaps_call(int which) { return raw0(numbers[which]); }
