// SPDX-License-Identifier: Apache-2.0
// Giving the worker back: for a while, until a time, or just for a turn.
#pragma once

#include <aya/detail/promise.hpp>
#include <aya/detail/timer.hpp>
#include <aya/time.hpp>

#include <chrono>
#include <concepts>
#include <coroutine>
#include <source_location>
#include <utility>

namespace aya::inline v1 {

namespace detail {

class [[nodiscard]] sleep_awaiter final : public suspension, public timer {
public:
    using operation_result = void;

    explicit sleep_awaiter(time_point deadline) noexcept : timer(&expired), deadline_(deadline) {}

    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    void await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) {
        h.promise().where = where;
        suspend(*h.promise().task, h);
    }
    void await_resume();

private:
    static void expired(timer& t) noexcept;
    verdict request_cancel(cancel_walk&) noexcept override;
    void describe(wait_description& d) const noexcept override;
    void suspend(task_state& task, std::coroutine_handle<> h);

    time_point deadline_;
    task_state* task_ = nullptr;
    bool cancelled_ = false;
};

template <class T>
class [[nodiscard]] sleep_value_awaiter final {
public:
    using operation_result = T;

    sleep_value_awaiter(time_point deadline, T value) : sleep_(deadline), value_(std::move(value)) {}

    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    void await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) {
        sleep_.await_suspend(h, where);
    }
    T await_resume() {
        sleep_.await_resume();
        return std::move(value_);
    }

private:
    sleep_awaiter sleep_;
    T value_;
};

class [[nodiscard]] yield_awaiter final {
public:
    using operation_result = void;

    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    void await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) {
        h.promise().where = where;
        task_ = &*h.promise().task;
        task_->set_resume_point(h);
        task_->wake();
    }
    void await_resume() {
        if (task_->take_pending_cancel()) [[unlikely]]
            task_->throw_cancelled();
    }

private:
    task_state* task_ = nullptr;
};

time_point deadline_after(duration d) noexcept;

} // namespace detail

/// Suspends the task for at least `d`; not at all longer than the next turn when `d` is zero or less. A cancellation point.
/// Throws std::invalid_argument for NaN. Mirrors asyncio.sleep().
template <class Representation, class Period>
detail::sleep_awaiter sleep(std::chrono::duration<Representation, Period> d) {
    return detail::sleep_awaiter(detail::deadline_after(detail::to_duration(d, "aya::sleep: the duration")));
}

/// The same, and gives `value` then: a stand-in for work in tests and sketches. Mirrors asyncio.sleep(d, result).
template <class Representation, class Period, std::move_constructible T>
detail::sleep_value_awaiter<T> sleep(std::chrono::duration<Representation, Period> d, T value) {
    return detail::sleep_value_awaiter<T>(detail::deadline_after(detail::to_duration(d, "aya::sleep: the duration")), std::move(value));
}

/// Suspends the task until `t` on the runtime's clock (see now()).
inline detail::sleep_awaiter sleep_until(time_point t) { return detail::sleep_awaiter(t); }

/// Lets what is ready on this worker run first. A cancellation point. Mirrors asyncio.sleep(0).
inline detail::yield_awaiter yield() { return {}; }

} // namespace aya::inline v1
