// SPDX-License-Identifier: Apache-2.0
#include <aya/detail/balance.hpp>

#if AYA_BALANCE

#include <atomic>

namespace aya::inline v1::detail {

namespace {

struct alignas(64) counter {
    std::atomic<long> value{0};
};
constinit counter counters[counted_kinds];
constinit std::atomic<void (*)()> before_each{nullptr};

} // namespace

// Relaxed, all of them: who compares has joined or awaited those who counted.
void change_count(counted what, long by) noexcept {
    counters[static_cast<std::size_t>(what)].value.fetch_add(by, std::memory_order_relaxed);
}

long count_of(counted what) noexcept { return counters[static_cast<std::size_t>(what)].value.load(std::memory_order_relaxed); }

void watch_allocations(void (*before)()) noexcept { before_each.store(before); }

void before_allocation() {
    if (auto* const f = before_each.load(std::memory_order_relaxed)) // set before the threads that it concerns begin
        f();
}

} // namespace aya::inline v1::detail

#endif
