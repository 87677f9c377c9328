#include "io/memory.h"

#include <malloc.h>

namespace spillway::io {

void give_back_memory() { (void)::malloc_trim(0); }

}  // namespace spillway::io
