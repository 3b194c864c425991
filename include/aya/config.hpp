// SPDX-License-Identifier: Apache-2.0
// What the rest of the library asks of the compiler, in one place.
#pragma once

#if __cplusplus < 202002L
#error "aya needs C++20: compile with -std=c++20, and with g++ 12 or clang 16 at least"
#endif

#define AYA_VERSION_MAJOR 0
#define AYA_VERSION_MINOR 1
#define AYA_VERSION_PATCH 0

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define AYA_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define AYA_SANITIZED 1
#endif
#endif
#ifndef AYA_SANITIZED
#define AYA_SANITIZED 0
#endif

// Whether everything that lives is counted; the project's own build sets it where assertions are on.
#ifndef AYA_BALANCE
#define AYA_BALANCE 0
#endif

// g++ makes symmetric transfer a tail call only at -O2 and above and without sanitizers; elsewhere each transfer
// would deepen the stack. It offers no macro that tells -O1 from -O2, so a build with assertions counts as the former; one without is compiled
// with -foptimize-sibling-calls, which pkg-config and the CMake package pass.
#ifndef AYA_TRAMPOLINE
#if defined(__GNUC__) && !defined(__clang__) && (!defined(__OPTIMIZE__) || AYA_SANITIZED || !defined(NDEBUG))
#define AYA_TRAMPOLINE 1
#else
#define AYA_TRAMPOLINE 0
#endif
#endif
