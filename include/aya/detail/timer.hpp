// SPDX-License-Identifier: Apache-2.0
// A deadline that something waits for. Lives in an awaiter, so arming one allocates nothing but heap space.
#pragma once

#include <aya/time.hpp>

#include <cstddef>
#include <cstdint>

namespace aya::inline v1::detail {

class timer_queue;

struct timer {
    using function = void (*)(timer&) noexcept;
    static constexpr std::size_t unarmed = static_cast<std::size_t>(-1);

    explicit timer(function f) noexcept : expire(f) {}
    timer(timer&& unarmed_one) noexcept : expire(unarmed_one.expire), sequence(unarmed_one.sequence) {}
    timer(timer const&) = delete;
    timer& operator=(timer const&) = delete;

    /// Called once the deadline has passed, on the thread that saw it, outside the queue's lock; nobody else claims the timer then.
    function expire;
    timer_queue* home = nullptr;
    std::size_t position = unarmed; // in the heap; under the queue's lock
    std::uint64_t sequence = 0;     // order of equal deadlines; odd: an ordered_timer
};

/// A timer whose effect comes in the order of the deadlines, whichever threads fire it and its neighbours, and however late.
struct ordered_timer : timer {
    ordered_timer(function c, function e) noexcept : timer(e), claim(c) { sequence = 1; }

    /// Called when the timer leaves the queue, with the queue's lock held, before expire().
    function claim;
};

} // namespace aya::inline v1::detail
