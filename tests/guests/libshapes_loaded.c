// Library of the guest `shapes_loaded`: the shapes of `shapes_branches`.
#define main shapes_main
#include "shapes_branches.c"
