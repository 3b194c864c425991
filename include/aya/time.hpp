// SPDX-License-Identifier: Apache-2.0
// The library's one clock: monotonic, nanoseconds, virtual when the runtime says so.
#pragma once

#include <chrono>
#include <concepts>
#include <ratio>
#include <stdexcept>
#include <type_traits>

namespace aya::inline v1 {

using duration = std::chrono::nanoseconds;
using time_point = std::chrono::time_point<std::chrono::steady_clock, duration>;

/// The current runtime's time: the monotonic clock, or virtual time under runtime_options::virtual_time.
/// Outside a runtime it is the monotonic clock. Any thread. Mirrors loop.time().
[[nodiscard]] time_point now() noexcept;

namespace detail {

/// Any std::chrono duration to nanoseconds: saturates instead of overflowing; NaN of a floating-point duration is refused
/// with std::invalid_argument. Rounds up, so that nothing ever waits for less than it was asked to.
template <class Representation, class Period>
duration to_duration(std::chrono::duration<Representation, Period> d) {
    using factor = std::ratio_divide<Period, std::nano>;
    if constexpr (std::floating_point<Representation>) {
        if (d.count() != d.count())
            throw std::invalid_argument("aya: a duration must not be NaN");
        constexpr auto limit = static_cast<Representation>(9.2e18L * factor::den / factor::num);
        if (d.count() >= limit)
            return duration::max();
        if (d.count() <= -limit)
            return duration::min();
    } else if constexpr (factor::num > factor::den) {
        constexpr auto limit = static_cast<long long>(duration::max().count() / factor::num * factor::den);
        if (static_cast<long long>(d.count()) > limit)
            return duration::max();
        if (static_cast<long long>(d.count()) < -limit)
            return duration::min();
    }
    return std::chrono::ceil<duration>(d);
}

/// `start + d`, saturating at the ends of the time line.
constexpr time_point saturating_add(time_point start, duration d) noexcept {
    if (d > duration::zero() && start.time_since_epoch() > duration::max() - d)
        return time_point::max();
    if (d < duration::zero() && start.time_since_epoch() < duration::min() - d)
        return time_point::min();
    return start + d;
}

} // namespace detail

} // namespace aya::inline v1
