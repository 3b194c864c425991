// SPDX-License-Identifier: Apache-2.0
// How long the steps of a worker take.
#pragma once

#include <aya/time.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

namespace aya::inline v1::detail {

/// Steps are not timed one by one: a worker notes now and then how many it has taken, and the time in between is divided. One thread at a time.
class step_pace {
public:
    /// Of a worker of which nothing is known.
    static constexpr duration assumed = std::chrono::microseconds(30);

    /// Before and after a sleep, and now and then in between: the thread has taken `steps` since it began.
    void note(time_point now, std::uint64_t steps) noexcept {
        std::uint64_t const taken = steps - std::exchange(steps_, steps);
        time_point const since = std::exchange(noted_, now);
        if (taken == 0 || since == time_point())
            return;
        mean_ += (std::min((now - since) / static_cast<std::int64_t>(taken), longest) - mean_) / 32;
    }

    /// Of some dozens of notes. One long step among many short ones counts, with up to a millisecond.
    [[nodiscard]] duration mean() const noexcept { return mean_; }

private:
    static constexpr duration longest = std::chrono::milliseconds(1);

    time_point noted_{};
    std::uint64_t steps_ = 0;
    duration mean_ = assumed;
};

} // namespace aya::inline v1::detail
