// SPDX-License-Identifier: Apache-2.0
// A thread pool at rest, and a thread that comes at a random moment.
#pragma once

#include "support/harness.hpp"

#include <aya/metrics.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace test {

/// Passes some time without giving the CPU away, to come at a random moment of what others do.
inline void spin(std::size_t turns) {
    for (; turns != 0; --turns)
        std::atomic_signal_fence(std::memory_order_seq_cst);
}

/// Waits until no worker has fallen asleep, and so none has woken, for longer than one watches: all sleep until they are called. False after a minute.
inline bool all_sleep(aya::runtime& rt) {
    auto const parks = [&] {
        std::uint64_t sum = 0;
        for (auto const& w : rt.metrics().workers)
            sum += w.parks;
        return sum;
    };
    std::uint64_t last = parks();
    auto since = std::chrono::steady_clock::now();
    return eventually_outside([&] {
        auto const now = std::chrono::steady_clock::now();
        if (std::uint64_t const sum = parks(); sum != last) {
            last = sum;
            since = now;
        }
        return now - since > std::chrono::milliseconds(4);
    });
}

} // namespace test
