// SPDX-License-Identifier: Apache-2.0
// Tells ThreadSanitizer of a hand-over between threads that goes through a library which it cannot see into. Nothing in other builds.
#pragma once

#include <aya/config.hpp>

#if defined(__SANITIZE_THREAD__)
#define AYA_THREAD_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define AYA_THREAD_SANITIZED 1
#endif
#endif

#ifdef AYA_THREAD_SANITIZED
extern "C" void __tsan_release(void* address);
extern "C" void __tsan_acquire(void* address);
#endif

namespace aya::inline v1::detail {

/// What this thread did so far is visible to who calls accept_hand_over() for the same object afterwards.
inline void begin_hand_over([[maybe_unused]] void* object) noexcept {
#ifdef AYA_THREAD_SANITIZED
    __tsan_release(object);
#endif
}

inline void accept_hand_over([[maybe_unused]] void* object) noexcept {
#ifdef AYA_THREAD_SANITIZED
    __tsan_acquire(object);
#endif
}

} // namespace aya::inline v1::detail
