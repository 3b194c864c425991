// SPDX-License-Identifier: Apache-2.0
// Looking for a moment whether something comes, before the system call that sleeps.
#pragma once

#include <aya/detail/spin_lock.hpp>
#include <aya/time.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace aya::inline v1::detail {

/// To put a thread to sleep and to wake it takes some 5 us on bare metal and 20 us on a virtual machine, most of it CPU time, and both threads pay.
/// Who expects an answer within that time had better look for it. Whether answers come so fast is learnt: while they do not, only one look in
/// many is tried. One thread at a time.
class patience {
public:
    /// Whether to look this time, or to sleep at once.
    [[nodiscard]] bool willing() noexcept { return credit_ != 0 || ++skipped_ >= pause_; }

    /// True once `seen()` is; false if that did not happen for a moment or until `deadline`.
    template <class Seen>
    bool look(time_point deadline, Seen seen) noexcept {
        time_point const end = std::min(deadline, time_point(std::chrono::steady_clock::now()) + longest_look);
        do {
            for (unsigned i = 0; i < pauses_a_glance; ++i)
                relax(0);
            if (seen()) {
                learn(true);
                return true;
            }
        } while (std::chrono::steady_clock::now() < end);
        learn(false);
        return false;
    }

private:
    // As long as it takes to wake another thread and to hear from it on a virtual machine.
    static constexpr duration longest_look = std::chrono::microseconds(50);
    static constexpr unsigned pauses_a_glance = 4; // each glance may take the cache line away from who is about to write it
    static constexpr std::uint32_t most_credit = 8;
    static constexpr std::uint32_t shortest_pause = 16;
    static constexpr std::uint32_t longest_pause = 512;

    void learn(bool came) noexcept {
        skipped_ = 0;
        if (came) {
            credit_ = std::min(credit_ + 1, most_credit);
            pause_ = shortest_pause;
            return;
        }
        credit_ -= std::min<std::uint32_t>(credit_, 2);
        if (credit_ == 0)
            pause_ = std::min(pause_ * 2, longest_pause);
    }

    // A look that succeeds earns one, a look in vain costs two: worth it when two of three succeed.
    std::uint32_t credit_ = most_credit / 2;
    std::uint32_t pause_ = shortest_pause; // one look in so many, while there is no credit
    std::uint32_t skipped_ = 0;
};

} // namespace aya::inline v1::detail
