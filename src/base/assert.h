// Assertions are on in every build: a process that finds itself in a state that can't happen stops
// before it acknowledges anything more.
#pragma once

namespace spillway {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
}

#define SPILLWAY_ASSERT(expression)    \
  ((expression) ? static_cast<void>(0) \
                : ::spillway::assertion_failed(#expression, __FILE__, __LINE__))
