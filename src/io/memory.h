#pragma once

namespace spillway::io {

// Gives the system back what the allocator keeps of freed memory: between what is still used it
// keeps whole pages for ever. Takes milliseconds where that is much. Any thread.
void give_back_memory();

}  // namespace spillway::io
