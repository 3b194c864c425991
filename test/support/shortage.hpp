// SPDX-License-Identifier: Apache-2.0
// Memory that runs out at the n-th allocation, of the global heap or, where the library counts, of frame memory. For a test executable that
// includes support/shortage_new.hpp in one of its sources.
#pragma once

#include <aya/detail/balance.hpp>

#include <atomic>
#include <functional>
#include <new>
#include <utility>

namespace test {

/// One allocation fails, or that one and all that follow, on whichever thread.
enum class shortage { one, lasting };

/// A place to stop at in the library's own code: this thread's next allocation from the global heap.
class next_allocation {
public:
    static void calls(std::function<void()> f) { this_threads() = std::move(f); }
    static void happens() noexcept {
        if (auto& f = this_threads(); f)
            std::exchange(f, nullptr)();
    }
    /// Whether there was none; it calls nothing then.
    static bool is_to_come() noexcept { return std::exchange(this_threads(), nullptr) != nullptr; }

private:
    static std::function<void()>& this_threads() noexcept {
        thread_local std::function<void()> f;
        return f;
    }
};

class short_memory {
public:
    /// The n-th allocation from here on fails.
    static void begin(long n, shortage s) noexcept {
        lasting_.store(s == shortage::lasting);
        met_.store(false);
        left_.store(n);
        armed_.store(true);
    }
    /// Whether it came to that.
    [[nodiscard]] static bool met() noexcept { return met_.load(); }
    static bool end() noexcept {
        armed_.store(false);
        return met();
    }
    [[nodiscard]] static bool now() noexcept {
        if (!armed_.load(std::memory_order_relaxed))
            return false;
        long const n = left_.fetch_sub(1, std::memory_order_relaxed);
        if (n > 1 || (n < 1 && !lasting_.load(std::memory_order_relaxed)))
            return false;
        met_.store(true, std::memory_order_relaxed);
        return true;
    }

    /// While it lives, blocks of frame memory count as allocations.
    short_memory() noexcept {
#if AYA_BALANCE
        aya::detail::watch_allocations([] {
            if (now())
                throw std::bad_alloc();
        });
#endif
    }
    ~short_memory() {
#if AYA_BALANCE
        aya::detail::watch_allocations(nullptr);
#endif
    }
    short_memory(short_memory const&) = delete;
    short_memory& operator=(short_memory const&) = delete;

private:
    inline static std::atomic<bool> armed_{false};
    inline static std::atomic<bool> lasting_{false};
    inline static std::atomic<bool> met_{false};
    inline static std::atomic<long> left_{0};
};

} // namespace test
