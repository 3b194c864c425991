// SPDX-License-Identifier: Apache-2.0
// barrier: tasks that wait for each other, round after round.
#pragma once

#include <aya/detail/wait_list.hpp>
#include <aya/errors.hpp>

#include <coroutine>
#include <cstddef>
#include <source_location>

namespace aya::inline v1 {

/// Lets tasks go on once `parties` of them have arrived, and starts anew when the last of them has left. Mirrors asyncio.Barrier. Must
/// outlive its waiters.
/// Thread safety: all of it; reset() and abort() from any thread. Cost: a short spin lock; nothing is allocated.
class barrier {
public:
    class wait_awaiter;

    /// Throws std::invalid_argument when `parties` is less than 1.
    explicit barrier(std::ptrdiff_t parties);

    /// Waits for the others, and gives this task's place in the order of arrival, from 0 to parties - 1. The last one to arrive does not
    /// suspend. While the tasks of a round leave, newcomers wait for the next. Throws broken_barrier_error when the barrier is
    /// broken, or is aborted or reset before this task has left. Cancellation: the task did not arrive, and the barrier stays whole; if
    /// its round was complete already, the others go on.
    wait_awaiter wait() noexcept;

    /// Waiting tasks, or those of a complete round that have not left yet, get broken_barrier_error; the barrier can be used again.
    void reset() noexcept;
    /// Breaks the barrier: all who wait now or later get broken_barrier_error, until reset().
    void abort() noexcept;

    [[nodiscard]] std::size_t parties() const noexcept { return parties_; }
    // Snapshots.
    /// How many wait for the others; none while a round leaves.
    [[nodiscard]] std::size_t n_waiting() const noexcept;
    [[nodiscard]] bool broken() const noexcept;

private:
    enum class phase : unsigned char {
        filling,
        draining,  // a complete round leaves
        resetting, // a round that was reset leaves
        broken
    };

    [[nodiscard]] detail::wait_list::batch release(std::size_t most) noexcept;
    [[nodiscard]] detail::wait_list::batch leave() noexcept;

    mutable detail::spin_lock mutex_; // guards all below
    std::size_t const parties_;
    std::size_t queued_ = 0;  // in the list: the round that fills, or those who wait for it to begin
    std::size_t leaving_ = 0; // woken, and not out yet
    phase phase_ = phase::filling;
    detail::wait_list waiters_{mutex_};
};

class [[nodiscard]] barrier::wait_awaiter final : public detail::waiter {
public:
    using operation_result = std::size_t;

    explicit wait_awaiter(barrier& b) noexcept : barrier_(&b) {}

    bool await_ready() {
        begin_await();
        return false;
    }
    template <detail::task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) {
        h.promise().where = where;
        return suspend(*h.promise().task, h);
    }
    std::size_t await_resume() {
        if (suspended())
            finish();
        return index_;
    }
    void describe(detail::wait_description& d) const noexcept override { d.inside("barrier::wait", barrier_); }

private:
    friend barrier;

    verdict request_cancel(detail::cancel_walk&) noexcept override;
    bool suspend(detail::task_state& task, std::coroutine_handle<> h);
    void finish();

    barrier* barrier_;
    std::size_t index_ = 0; // written by who has claimed the wait
};

inline barrier::wait_awaiter barrier::wait() noexcept { return wait_awaiter(*this); }

} // namespace aya::inline v1
