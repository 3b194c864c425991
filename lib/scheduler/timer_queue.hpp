// SPDX-License-Identifier: Apache-2.0
// The timers of one worker: a four-way heap, ordered by deadline and then by the order of arming. Any thread may disarm a timer or
// fire what is due, so that timers of a busy worker are served by an idle one.
#pragma once

#include <aya/detail/spin_lock.hpp>
#include <aya/detail/timer.hpp>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

namespace aya::inline v1::detail {

class timer_queue {
public:
    /// `earlier(*of)` tells that next() has become earlier: for timers that are armed by other threads than the one that waits for their
    /// deadlines.
    using alarm = void (*)(void* of) noexcept;
    explicit timer_queue(alarm earlier = nullptr, void* of = nullptr) noexcept : earlier_(earlier), of_(of) {}

    spin_lock& mutex() noexcept { return mutex_; }

    /// With mutex() held. True when raise_alarm() must follow, once it is released. Throws std::bad_alloc.
    [[nodiscard]] bool arm(timer& t, time_point deadline);
    /// Without the lock: it wakes a thread, or starts one, and what it reports of that calls the program.
    void raise_alarm() const noexcept { earlier_(of_); }
    /// With mutex() held. False when the timer was not armed: it is being fired, or was.
    bool disarm(timer& t) noexcept;

    /// Takes out one timer whose deadline is at or before `now`, or null, and claims it if it is ordered. The caller calls its expire().
    [[nodiscard]] timer* pop_due(time_point now) noexcept;

    [[nodiscard]] std::size_t size() noexcept {
        std::lock_guard const guard(mutex_);
        return heap_.size();
    }

    /// No deadline is earlier; time_point::max() when there is none for sure. Any thread, without the lock. A timer that is disarmed leaves
    /// it as it is: most timeouts are, and each would change it twice.
    [[nodiscard]] time_point next() const noexcept {
        // Seq_cst: a worker about to park reads this after announcing it (see idle_set); arm() stores it before it reads the announcement.
        return time_point(duration(next_.load()));
    }
    /// The earliest deadline, for those who mean to wait until then. Any thread.
    [[nodiscard]] time_point earliest() const noexcept;

private:
    struct entry {
        std::int64_t deadline;
        timer* which;
    };

    static bool before(entry const& a, entry const& b) noexcept {
        return a.deadline != b.deadline ? a.deadline < b.deadline : a.which->sequence < b.which->sequence;
    }
    void place(std::size_t position, entry e) noexcept {
        heap_[position] = e;
        e.which->position = position;
    }
    void sift_up(std::size_t position, entry e) noexcept;
    void sift_down(std::size_t position, entry e) noexcept;
    void remove(std::size_t position) noexcept;
    void publish_next() const noexcept;

    alarm const earlier_;
    void* const of_;
    mutable spin_lock mutex_;
    std::vector<entry> heap_;
    std::uint64_t sequence_ = 0;
    mutable std::atomic<bool> stale_{false}; // whether next_ may be too early
    mutable std::atomic<std::int64_t> next_{time_point::max().time_since_epoch().count()};
};

} // namespace aya::inline v1::detail
