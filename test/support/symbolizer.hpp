// SPDX-License-Identifier: Apache-2.0
// What a sanitizer opens while the tests run.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_THREAD__)
#define AYA_TEST_SYMBOLIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define AYA_TEST_SYMBOLIZER 1
#endif
#endif

#ifdef AYA_TEST_SYMBOLIZER
extern "C" void __sanitizer_symbolize_pc(void* where, char const* format, char* text, std::size_t size);
#endif

namespace test {

/// Whether this process may have a child that is a sanitizer's.
#ifdef AYA_TEST_SYMBOLIZER
inline constexpr bool has_symbolizer = true;
#else
inline constexpr bool has_symbolizer = false;
#endif

/// ThreadSanitizer names functions with the help of a program, and keeps two pipes to it. It starts that with the first report, be it one that is
/// suppressed: so that no test counts those descriptors among its own, they are there from the beginning.
inline void start_symbolizer() {
#ifdef AYA_TEST_SYMBOLIZER
    char text[256];
    __sanitizer_symbolize_pc(__builtin_return_address(0), "%f", text, sizeof text);
#endif
}

} // namespace test
