// SPDX-License-Identifier: Apache-2.0
// What lives, counted: builds with assertions know at every moment how many tasks, blocks, waiters, timers and threads there are, and the
// tests' main() checks after each case that nothing is left. Other builds contain nothing of it.
#pragma once

#include <aya/config.hpp>

#include <cstddef>

namespace aya::inline v1::detail {

enum class counted : unsigned char {
    spawned,   // tasks, in all
    returned,  // of these, how they ended
    failed,
    cancelled,
    rejected,  // spawned from outside while the runtime ended: the caller got an exception
    states,    // of tasks and futures; the others are what lives now
    blocks,    // of frame memory: coroutines, states, gathers, callbacks
    waiters,   // on primitives and queues
    timers,
    watchers,  // of a task's end
    threads,
};
constexpr std::size_t counted_kinds = static_cast<std::size_t>(counted::threads) + 1;

// In the library, of builds that count.
void change_count(counted what, long by) noexcept;
[[nodiscard]] long count_of(counted what) noexcept;
/// Called before each allocation from frame memory; it may throw std::bad_alloc. For tests; null: none. Any thread.
void watch_allocations(void (*before)()) noexcept;
void before_allocation();

inline void count([[maybe_unused]] counted what, [[maybe_unused]] long by) noexcept {
#if AYA_BALANCE
    change_count(what, by);
#endif
}

/// One more for as long as it lives.
class counted_scope {
public:
    explicit counted_scope(counted what) noexcept : what_(what) { count(what_, 1); }
    ~counted_scope() { count(what_, -1); }
    counted_scope(counted_scope const&) = delete;
    counted_scope& operator=(counted_scope const&) = delete;

private:
    counted what_;
};

} // namespace aya::inline v1::detail
