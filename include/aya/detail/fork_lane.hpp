// SPDX-License-Identifier: Apache-2.0
// The part of a pool's worker that gathers use themselves: where they leave what nobody has started yet, and whether it is time to look
// at other work.
#pragma once

#include <aya/detail/fork_deque.hpp>
#include <aya/detail/ready.hpp>

#include <atomic>
#include <cstdint>

namespace aya::inline v1::detail {

struct thread_context;

struct fork_lane {
    /// How often a busy worker looks elsewhere: at the injection queue and the timers first, its own queue second. A prime, so that
    /// it falls into no rhythm of the program's; 61 is what other schedulers settled on.
    static constexpr std::uint32_t fairness_interval = 61;
    /// The part of an idle set's word that counts the sleepers.
    static constexpr std::uint32_t sleeping_mask = 0xfff;

    fork_lane(bool shared, std::atomic<std::uint32_t> const& idle) : deque(shared), idle_word(&idle) {}

    fork_deque deque;
    std::uint32_t turns_left = fairness_interval; // until the next look elsewhere
    std::atomic<std::uint32_t> const* idle_word;

    /// Whether a worker sleeps that might be called. Relaxed: a hint, see idle_set.
    [[nodiscard]] bool somebody_sleeps() const noexcept { return (idle_word->load(std::memory_order_relaxed) & sleeping_mask) != 0; }
    /// Leaves `r` where the worker takes it next, and thieves may take it.
    void push(thread_context& here, ready& r) noexcept {
        if (!deque.push(r)) [[unlikely]]
            push_elsewhere(here, r);
        if (somebody_sleeps()) [[unlikely]]
            want_help(here);
    }
    /// Takes `r` back if it is the newest there. False also when the worker has to look at other work first.
    [[nodiscard]] bool take_back(ready& r) noexcept { return deque.looks_newest(r) && !turn_over() && deque.take_newest(); }
    /// Counts a step that the worker did not choose itself. True when it has to look at other work first.
    [[nodiscard]] bool turn_over() noexcept {
        if (--turns_left == 0) [[unlikely]] {
            turns_left = 1;
            return true;
        }
        return false;
    }

    // In lib/executors/thread_pool.cpp: what somebody has to be done about.
    static void push_elsewhere(thread_context& here, ready& r) noexcept;
    static void want_help(thread_context& here) noexcept;
};

} // namespace aya::inline v1::detail
