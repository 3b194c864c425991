// SPDX-License-Identifier: Apache-2.0
// Threads of the library's own that sleep, and run nothing of the program's by themselves when they wake: watchdogs. Who asks whether any thread
// of the process may still do something leaves them out.
#pragma once

#include <atomic>
#include <cstddef>

namespace aya::inline v1::detail {

/// Around such a thread's sleep.
class resting_thread {
public:
    resting_thread() noexcept { count_.fetch_add(1); }
    ~resting_thread() { count_.fetch_sub(1); }
    resting_thread(resting_thread const&) = delete;
    resting_thread& operator=(resting_thread const&) = delete;

    /// In the whole process.
    [[nodiscard]] static std::size_t count() noexcept { return count_.load(); }
    /// In the child of a fork(): they did not come along.
    static void forget_all() noexcept { count_.store(0); }

private:
    inline static constinit std::atomic<std::size_t> count_{0};
};

} // namespace aya::inline v1::detail
