// SPDX-License-Identifier: Apache-2.0
// Sleeping on a word. Raw system calls: std::atomic::wait has no deadline, and its library versions have lost wake-ups.
#pragma once

#include <aya/time.hpp>

#include <atomic>
#include <cstdint>

namespace aya::inline v1::detail {

/// Sleeps while `word` holds `expected`, until woken or `deadline`. May return early for no reason.
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected, time_point deadline) noexcept;
void futex_wake_one(std::atomic<std::uint32_t>& word) noexcept;

/// Another place to sleep in than a futex.
class sleeping_place {
public:
    /// Returns when interrupted, after `deadline`, or for reasons of its own.
    virtual void wait(time_point deadline) noexcept = 0;
    /// Ends the wait; the next one, if there is none now. Any thread.
    virtual void interrupt() noexcept = 0;

protected:
    ~sleeping_place() = default;
};

/// Puts one thread to sleep. An unpark() before the park() is kept, so that it returns at once.
class parker {
public:
    /// Returns when unparked, or after `deadline`; from another place than the futex also for that one's reasons. True if it was unparked.
    bool park(time_point deadline, sleeping_place* where = nullptr) noexcept {
        // Relaxed: published by the exchange below, whose value the unparking thread reads before it looks.
        where_.store(where, std::memory_order_relaxed);
        // The exchanges are seq_cst: whatever the unparking thread wrote before is visible after the park.
        if (state_.exchange(parked) == notified) {
            state_.exchange(empty); // an exchange: it must see what a second unpark() came with
            return true;
        }
        if (where != nullptr) {
            where->wait(deadline);
            return state_.exchange(empty) == notified;
        }
        do {
            futex_wait(state_, parked, deadline);
        } while (state_.load() == parked && (deadline == time_point::max() || std::chrono::steady_clock::now() < deadline));
        return state_.exchange(empty) == notified;
    }

    /// Whether park() would return at once. By the thread that parks.
    [[nodiscard]] bool unparked() const noexcept { return state_.load() == notified; }

    void unpark() noexcept {
        if (state_.exchange(notified) != parked)
            return;
        // Relaxed: see park(). If the thread has gone on meanwhile and sleeps elsewhere, it is woken for nothing.
        if (sleeping_place* const where = where_.load(std::memory_order_relaxed))
            where->interrupt();
        else
            futex_wake_one(state_);
    }

private:
    enum : std::uint32_t { empty, parked, notified };
    std::atomic<std::uint32_t> state_{empty};
    std::atomic<sleeping_place*> where_{nullptr};
};

} // namespace aya::inline v1::detail
