// SPDX-License-Identifier: Apache-2.0
// The part of the queues that knows no T: capacity, waiters, unfinished work, shutdown.
//
// Invariants, under the lock:
//   * tasks wait to get only while nothing is stored, and tasks wait to put only while stored + reserved == capacity;
//   * a freed place goes to the longest waiting putter as a reservation; it stores its item when it resumes, or gives the place
//     to the next one if it was cancelled, so a cancelled put never stores anything;
//   * an item that arrives while tasks wait for one goes straight to the longest waiting getter.
#pragma once

#include <aya/detail/wait_list.hpp>
#include <aya/errors.hpp>

#include <cstddef>

namespace aya::inline v1::detail {

/// A task that waits for room.
class putter : public waiter {
public:
    bool reserved = false; // a place is kept for it; written by who woke it

protected:
    putter() = default;
    putter(putter&&) noexcept = default;
    ~putter() = default;
};

class queue_core {
public:
    /// 0: no limit.
    explicit queue_core(std::size_t capacity) noexcept : capacity_(capacity) {}

    spin_lock mutex;
    wait_list getters{mutex};
    wait_list putters{mutex};
    wait_list joiners{mutex};

    // With the lock held.
    [[nodiscard]] bool has_room(std::size_t stored) const noexcept {
        return capacity_ == 0 || stored + reserved_ < capacity_;
    }
    /// A place was freed: reserves it for a waiting putter, if there is one; the caller wakes it.
    [[nodiscard]] waiter* reserve_for_putter(std::size_t stored) noexcept {
        if (capacity_ != 0 && !has_room(stored))
            return nullptr;
        waiter* const w = putters.take_first();
        if (w != nullptr) {
            static_cast<putter*>(w)->reserved = true;
            ++reserved_;
        }
        return w;
    }
    /// The running task, for who suspends it. Where it is a forked child that has no state, and there is no memory for one, the lock is released and
    /// std::bad_alloc thrown.
    [[nodiscard]] task_state& self(task_pointer running) { return running.is_child() ? self_of(running) : *running; }
    void end_reservation() noexcept { --reserved_; }
    void count_put() noexcept { ++unfinished_; }
    /// For items that nobody will get; the caller wakes the joiners if that was all. Some may have been declared done before they were got.
    [[nodiscard]] wait_list::batch uncount_puts(std::size_t items) noexcept {
        unfinished_ -= items < unfinished_ ? items : unfinished_;
        return unfinished_ == 0 ? joiners.take_all() : wait_list::batch();
    }

    // Without it.
    void task_done();
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

    // Under the lock.
    bool shut_down = false;
    bool dropping = false; // by shutdown: items that come back are dropped too

private:
    friend class join_queue_awaiter;

    task_state& self_of(task_pointer child);

    std::size_t const capacity_;
    std::size_t reserved_ = 0;
    std::size_t unfinished_ = 0;
};

class [[nodiscard]] join_queue_awaiter final : public waiter {
public:
    using operation_result = void;

    explicit join_queue_awaiter(queue_core& q) noexcept : queue_(&q) {}

    bool await_ready() {
        begin_await();
        return false;
    }
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) {
        h.promise().where = where;
        return suspend(*h.promise().task, h);
    }
    void await_resume() {
        if (suspended() && finish_wait().cancelled)
            task().throw_cancelled();
    }

    void describe(wait_description& d) const noexcept override { d.inside("queue::join", queue_); }

private:
    bool suspend(task_state& task, std::coroutine_handle<> h) noexcept;

    queue_core* queue_;
};

} // namespace aya::inline v1::detail
