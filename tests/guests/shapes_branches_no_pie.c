// flags: -no-pie -s
// expect: As shapes_branches, but the executable is not position-independent and has no symbols: its tables of
// absolute addresses have no relocations, so that nothing but the data itself says that they point into the text,
// and addresses below 4 GiB may be where near memory is scarce. Its code names labels by their addresses.
#define BY_ADDRESS "1"
#include "shapes_branches.c"
