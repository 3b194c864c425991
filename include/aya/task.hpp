// SPDX-License-Identifier: Apache-2.0
// task<T>: the coroutine type of the library.
#pragma once

#include <aya/detail/promise.hpp>
#include <aya/errors.hpp>
#include <aya/fwd.hpp>

#include <coroutine>
#include <exception>
#include <source_location>
#include <utility>

namespace aya::inline v1 {

namespace detail {

struct task_access;

/// Destroys a coroutine that never ran; in debug mode that is reported.
void drop_unawaited(std::coroutine_handle<> frame) noexcept;

/// Runs the awaited coroutine inside the awaiting task, and owns its frame meanwhile.
template <class T>
class [[nodiscard]] task_awaiter {
public:
    explicit task_awaiter(std::coroutine_handle<promise<T>> child) noexcept : child_(child) {}
    task_awaiter(task_awaiter const&) = delete;
    task_awaiter& operator=(task_awaiter const&) = delete;
    ~task_awaiter() {
        if (child_)
            child_.destroy();
    }

    bool await_ready() const {
        if (!child_) [[unlikely]]
            throw_invalid_state("aya::task: awaited after it was moved from or awaited already");
        return false;
    }
    template <task_promise Promise>
    transfer_result await_suspend(std::coroutine_handle<Promise> parent, std::source_location where = std::source_location::current()) noexcept {
        parent.promise().where = where;
        promise<T>& p = child_.promise();
        p.continuation = parent;
        p.task = parent.promise().task;
        return transfer(child_);
    }
    T await_resume() {
        promise<T>& p = child_.promise();
        if (p.error) [[unlikely]]
            std::rethrow_exception(std::move(p.error));
        return p.value.take();
    }

private:
    std::coroutine_handle<promise<T>> child_;
};

} // namespace detail

/// A coroutine that has not started yet. Mirrors asyncio's coroutine object.
///
/// `co_await f(args)` runs it inside the current task, on the same worker, and gives its result or throws its exception; that
/// alone is no suspension and no cancellation point. To run it concurrently, give it to create_task(), gather(),
/// task_group::create_task() or runtime::spawn(). A task that is dropped before that never runs.
///
/// Lifetime: parameters of the coroutine are copied into its frame as declared, so declare them by value unless what they refer
/// to outlives the await. Never make a lambda with captures a coroutine that outlives the lambda: give the callable and
/// its arguments to create_task(f, args...) instead, which keeps both.
/// Thread safety: one thread at a time. Cost: one block of frame memory; an await touches no atomic.
template <class T>
class [[nodiscard("a task does nothing until it is awaited or scheduled")]] task {
public:
    using value_type = T;
    using promise_type = detail::promise<T>;

    /// Empty; awaiting it throws invalid_state_error.
    task() noexcept = default;
    task(task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
    task& operator=(task&& other) noexcept {
        task moved(std::move(other));
        std::swap(frame_, moved.frame_);
        return *this;
    }
    ~task() {
        if (frame_)
            detail::drop_unawaited(frame_);
    }

    /// False once the task was awaited, scheduled or moved from.
    [[nodiscard]] explicit operator bool() const noexcept { return frame_ != nullptr; }

    /// Awaits the task, once: `co_await f()` or `co_await std::move(t)`.
    /// Throws what the coroutine throws; invalid_state_error for a task that is empty or was awaited before.
    detail::task_awaiter<T> operator co_await() && noexcept {
        return detail::task_awaiter<T>(std::exchange(frame_, nullptr));
    }
    /// A task is awaited once: write co_await std::move(t).
    detail::task_awaiter<T> operator co_await() & = delete;

private:
    friend detail::promise<T>;
    friend detail::task_access;

    explicit task(std::coroutine_handle<detail::promise<T>> frame) noexcept : frame_(frame) {}

    std::coroutine_handle<detail::promise<T>> frame_;
};

namespace detail {

template <class T>
task<T> promise<T>::get_return_object(std::source_location here) {
    auto const frame = handle_of(*this, here);
    this->where = here;
    return task<T>(frame);
}

struct task_access {
    template <class T>
    static std::coroutine_handle<promise<T>> frame(task<T> const& t) noexcept {
        return t.frame_;
    }
    template <class T>
    static std::coroutine_handle<promise<T>> release(task<T>& t) noexcept {
        return std::exchange(t.frame_, nullptr);
    }
};

/// For a task that is refused: nobody forgot it.
template <class T>
void discard(task<T>& t) noexcept {
    if (auto const frame = task_access::release(t))
        frame.destroy();
}

template <class>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<task<T>> = true;

} // namespace detail

} // namespace aya::inline v1
