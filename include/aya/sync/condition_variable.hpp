// SPDX-License-Identifier: Apache-2.0
// condition_variable: waiting, under a mutex, for what other tasks change under it.
#pragma once

#include <aya/detail/wait_list.hpp>
#include <aya/errors.hpp>
#include <aya/sync/mutex.hpp>
#include <aya/task.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <source_location>
#include <type_traits>
#include <utility>

namespace aya::inline v1 {

/// Tasks that hold a mutex wait here until another task, which holds it then, notifies them. Mirrors asyncio.Condition. Must outlive its
/// waits. Several may share one mutex.
/// Thread safety: all of it. Cost: two short spin locks; nothing is allocated, but by the wait with a predicate, which is a coroutine.
///
///     auto guard = co_await m.lock();
///     co_await changed.wait(guard, [&] { return !jobs.empty(); });
class condition_variable {
public:
    class wait_awaiter;

    explicit condition_variable(mutex& m) noexcept : mutex_(&m) {}

    /// Unlocks the mutex, waits to be notified, and has the mutex again when it returns or throws. A notified task queues for the mutex
    /// behind those that wait for it already. Throws invalid_state_error unless `held` holds this condition's mutex.
    /// Cancellation: cancelled_error is thrown once the task has the mutex again; had it been notified, another waiter is, in its place.
    wait_awaiter wait(mutex::guard const& held);

    /// Waits until `condition()`, called with the mutex held, is true, and gives its value. Mirrors Condition.wait_for().
    template <std::invocable Condition>
        requires std::convertible_to<std::invoke_result_t<Condition&>, bool>
    task<std::decay_t<std::invoke_result_t<Condition&>>> wait(mutex::guard const& held, Condition condition);

    /// Notifies up to `n` waiters, the longest waiting first; without waiters it does nothing. Throws invalid_state_error when nobody
    /// holds the mutex, std::invalid_argument for a negative `n`.
    void notify(std::ptrdiff_t n = 1);
    void notify_all();

private:
    void require_locked(char const* message) const;
    void move_to_mutex(std::size_t most) noexcept;

    mutex* mutex_;
    detail::spin_lock lock_; // taken before the mutex's own
    detail::wait_list waiters_{lock_};
};

class [[nodiscard]] condition_variable::wait_awaiter final : public detail::waiter {
public:
    using operation_result = void;

    explicit wait_awaiter(condition_variable& c) noexcept : condition_(&c) {}

    bool await_ready() {
        begin_await();
        return false;
    }
    template <detail::task_promise Promise>
    void await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) {
        h.promise().where = where;
        suspend(*h.promise().task, h);
    }
    void await_resume() { finish(); }
    void describe(detail::wait_description& d) const noexcept override { d.inside("condition_variable::wait", condition_); }

private:
    friend condition_variable;

    verdict request_cancel(detail::cancel_walk&) noexcept override;
    void suspend(detail::task_state& task, std::coroutine_handle<> h) noexcept;
    void finish();

    condition_variable* condition_;
    bool notified_ = false;  // written by who has claimed the wait
    bool cancelled_ = false; // under the task's lock
};

template <std::invocable Condition>
    requires std::convertible_to<std::invoke_result_t<Condition&>, bool>
task<std::decay_t<std::invoke_result_t<Condition&>>> condition_variable::wait(mutex::guard const& held,
                                                                              Condition condition) {
    for (;;) {
        std::decay_t<std::invoke_result_t<Condition&>> value = condition();
        if (static_cast<bool>(value))
            co_return value;
        co_await wait(held);
    }
}

} // namespace aya::inline v1
