// SPDX-License-Identifier: Apache-2.0
// A thread pool at rest.
#pragma once

#include "support/harness.hpp"

#include <aya/metrics.hpp>

#include <chrono>
#include <cstdint>

namespace test {

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
