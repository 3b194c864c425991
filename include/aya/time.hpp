// SPDX-License-Identifier: Apache-2.0
// The library's one clock: monotonic, nanoseconds, virtual when the runtime says so.
#pragma once

#include <chrono>
#include <concepts>
#include <ratio>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace aya::inline v1 {

using duration = std::chrono::nanoseconds;
using time_point = std::chrono::time_point<std::chrono::steady_clock, duration>;

/// The current runtime's time: the monotonic clock, or virtual time under runtime_options::virtual_time.
/// Outside a runtime it is the monotonic clock. Any thread. Mirrors loop.time().
[[nodiscard]] time_point now() noexcept;

namespace detail {

__extension__ typedef __int128 wide_integer;
__extension__ typedef unsigned __int128 wide_unsigned;

/// Any std::chrono duration to nanoseconds: saturates instead of overflowing; NaN of a floating-point duration is refused
/// with std::invalid_argument, whose message begins with `what`. Rounds up, so that nothing ever waits for less than it was asked to.
template <class Representation, class Period>
duration to_duration(std::chrono::duration<Representation, Period> d, char const* what = "aya: a duration") {
    using factor = std::ratio_divide<Period, std::nano>;
    if constexpr (std::floating_point<Representation>) {
        if (d.count() != d.count())
            throw std::invalid_argument(std::string(what) + " must not be NaN");
        constexpr auto limit = static_cast<Representation>(9.2e18L * factor::den / factor::num);
        if (d.count() >= limit)
            return duration::max();
        if (d.count() <= -limit)
            return duration::min();
    } else if constexpr (!std::is_class_v<Representation>) { // an integer of any width, also without a sign
        constexpr wide_integer limit = wide_integer{duration::max().count()} * factor::den / factor::num;
        if (d.count() > 0) {
            if (static_cast<wide_unsigned>(d.count()) > static_cast<wide_unsigned>(limit))
                return duration::max();
        } else if (static_cast<wide_integer>(d.count()) < -limit) {
            return duration::min();
        }
        wide_integer const scaled = static_cast<wide_integer>(d.count()) * factor::num;
        return duration(static_cast<duration::rep>(scaled / factor::den + (scaled % factor::den > 0 ? 1 : 0)));
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
