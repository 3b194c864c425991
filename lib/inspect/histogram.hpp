// SPDX-License-Identifier: Apache-2.0
// Counts times in intervals that double, from a microsecond to eight seconds.
#pragma once

#include <aya/detail/ready.hpp>
#include <aya/metrics.hpp>

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace aya::inline v1::detail {

class histogram {
public:
    /// Any thread.
    void add(std::chrono::nanoseconds time) noexcept {
        std::uint64_t const ns = time.count() < 0 ? 0 : static_cast<std::uint64_t>(time.count());
        auto i = static_cast<std::size_t>(std::bit_width(ns / 1000)); // 0: below 1 us, 1: below 2 us, 2: below 4 us, ...
        // Relaxed: figures, nothing is ordered by them.
        counts_[i < counts_.size() ? i : counts_.size() - 1].fetch_add(1, std::memory_order_relaxed);
        sum_.fetch_add(ns, std::memory_order_relaxed);
    }

    [[nodiscard]] time_histogram read() const {
        time_histogram h;
        double bound = 1e-6;
        for (std::size_t i = 0; i < counts_.size(); ++i, bound *= 2) {
            std::uint64_t const n = counts_[i].load(std::memory_order_relaxed); // as above
            h.counts.push_back(n);
            h.count += n;
            if (i + 1 != counts_.size())
                h.bounds.push_back(bound);
        }
        h.sum = 1e-9 * static_cast<double>(sum_.load(std::memory_order_relaxed)); // as above
        return h;
    }

private:
    std::array<std::atomic<std::uint64_t>, 25> counts_{};
    std::atomic<std::uint64_t> sum_{0};
};

/// A task's place in the queue of a worker, kept free by a probe: see runtime_core::measure_delay().
struct delay_probe final : ready {
    delay_probe() noexcept : ready(&turn) {}
    static void turn(ready& r) noexcept { static_cast<delay_probe&>(r).busy.store(false); }

    std::atomic<bool> busy{false}; // it is queued
    std::chrono::steady_clock::time_point queued;
};

} // namespace aya::inline v1::detail
