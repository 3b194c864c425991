// SPDX-License-Identifier: Apache-2.0
// event: a flag that tasks wait for.
#pragma once

#include <aya/detail/wait_list.hpp>

#include <atomic>
#include <coroutine>
#include <source_location>

namespace aya::inline v1 {

/// A flag that tasks wait for. Mirrors asyncio.Event. Must outlive its waiters; it may go away as soon as set() has returned.
/// Thread safety: all of it, from tasks and from other threads.
class event {
public:
    class wait_awaiter;

    event() = default;

    /// Sets the flag and wakes every waiter.
    void set() noexcept;
    void clear() noexcept;
    [[nodiscard]] bool is_set() const noexcept { return set_.load(); }

    /// Waits until the flag is set; not at all if it is. A task that was woken goes on even if the flag was cleared since.
    wait_awaiter wait() noexcept;

private:
    detail::spin_lock mutex_;
    std::atomic<bool> set_{false}; // written under the lock
    detail::wait_list waiters_{mutex_};
};

class [[nodiscard]] event::wait_awaiter final : public detail::waiter {
public:
    using operation_result = void;

    explicit wait_awaiter(event& e) noexcept : event_(&e) {}

    bool await_ready() {
        begin_await();
        return event_->is_set();
    }
    template <detail::task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) {
        h.promise().where = where;
        return suspend(*h.promise().task, h);
    }
    void await_resume() {
        if (suspended())
            finish();
    }

    void describe(detail::wait_description& d) const noexcept override { d.inside("event::wait", event_); }

private:
    bool suspend(detail::task_state& task, std::coroutine_handle<> h) noexcept;
    void finish();

    event* event_;
};

inline event::wait_awaiter event::wait() noexcept { return wait_awaiter(*this); }

} // namespace aya::inline v1
