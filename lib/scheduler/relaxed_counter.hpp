// SPDX-License-Identifier: Apache-2.0
// A figure that one thread counts and others may read.
#pragma once

#include <atomic>
#include <cstdint>

namespace aya::inline v1::detail {

class relaxed_counter {
public:
    // Relaxed, and no locked instruction: one thread writes, nothing is ordered by it.

    /// Its owner only. Gives the new value.
    std::uint64_t add(std::uint64_t n) noexcept {
        std::uint64_t const value = value_.load(std::memory_order_relaxed) + n;
        value_.store(value, std::memory_order_relaxed);
        return value;
    }
    [[nodiscard]] std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

} // namespace aya::inline v1::detail
