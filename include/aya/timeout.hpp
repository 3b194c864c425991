// SPDX-License-Identifier: Apache-2.0
// timeout(), timeout_at() and wait_for(): a deadline around a piece of work.
#pragma once

#include <aya/detail/awaitable.hpp>
#include <aya/detail/spin_lock.hpp>
#include <aya/detail/timer.hpp>
#include <aya/errors.hpp>
#include <aya/sleep.hpp>
#include <aya/time.hpp>

#include <atomic>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace aya::inline v1 {

/// A deadline for what runs inside it: once it passes, the task is cancelled there, and the scope turns that cancellation into
/// timeout_error. Made by timeout(); a body that takes `timeout_scope&` first may look at it and move the deadline.
/// Mirrors the object of asyncio.timeout().
class timeout_scope {
public:
    /// The deadline, unless there is none.
    [[nodiscard]] std::optional<time_point> when() const;
    /// True once the deadline has passed inside the scope.
    [[nodiscard]] bool expired() const noexcept;
    /// Sets another deadline, or none. Throws invalid_state_error once the scope has expired or ended. Any task of the runtime.
    void reschedule(std::optional<time_point> deadline);

    timeout_scope(timeout_scope const&) = delete;
    timeout_scope& operator=(timeout_scope const&) = delete;

private:
    template <class Result, class F, class... Arguments>
    friend task<Result> run_with_deadline(std::optional<time_point> deadline, F f, Arguments... arguments);

    enum class state : unsigned char { active, expiring, expired, finished };
    struct scope_timer final : detail::timer {
        explicit scope_timer(timeout_scope& s) noexcept : timer(&fired), scope(&s) {}
        timeout_scope* scope;
    };

    explicit timeout_scope(std::optional<time_point> deadline);
    ~timeout_scope() { leave(); }

    static void fired(detail::timer& t) noexcept;
    void arm();
    void disarm() noexcept;
    void expire();
    /// Ends the scope. True when a cancelled_error that is under way must become timeout_error.
    bool leave() noexcept;

    mutable detail::spin_lock mutex_;
    std::atomic<state> state_{state::active};
    std::atomic<bool> timer_busy_{false}; // from arming until the callback has returned, unless disarmed
    bool left_ = false;
    bool converts_ = false;
    bool cancelled_before_ = false; // a cancellation was pending already when the scope began: that one is not the scope's
    std::uint32_t requests_before_ = 0;
    detail::task_state* task_;
    std::optional<time_point> deadline_;
    scope_timer timer_{*this};
};

template <class Result, class F, class... Arguments>
task<Result> run_with_deadline(std::optional<time_point> deadline, F f, Arguments... arguments) {
    timeout_scope scope(deadline);
    try {
        if constexpr (detail::coroutine_function<F, timeout_scope&, Arguments...>)
            co_return co_await f(scope, std::move(arguments)...);
        else
            co_return co_await f(std::move(arguments)...);
    } catch (cancelled_error const&) {
        if (scope.leave())
            std::throw_with_nested(timeout_error());
        throw;
    }
}

namespace detail {

template <class F, class... Arguments>
struct timed_body {};
template <class F, class... Arguments>
    requires coroutine_function<F, Arguments...>
struct timed_body<F, Arguments...> {
    using result = task_result<F, Arguments...>;
};
template <class F, class... Arguments>
    requires(coroutine_function<F, timeout_scope&, Arguments...> && !coroutine_function<F, Arguments...>)
struct timed_body<F, Arguments...> {
    using result = task_result<F, timeout_scope&, Arguments...>;
};

/// `F` called with the arguments, or with timeout_scope& and the arguments, gives a task.
template <class F, class... Arguments>
concept timed_function = requires { typename timed_body<F, Arguments...>::result; };

/// wait_for() with no time left: the awaited task is dropped without running.
template <class T>
task<T> refuse_to_start() {
    if (true)
        throw timeout_error();
    if constexpr (std::is_void_v<T>)
        co_return;
    else
        co_return static_cast<T&&>(*static_cast<std::remove_reference_t<T>*>(nullptr)); // never reached; it makes this a coroutine of T
}

struct identity {
    template <class T>
    task<T> operator()(task<T> t) const noexcept {
        return t;
    }
};

} // namespace detail

/// Runs `f(args...)` or `f(scope, args...)` inside the current task, for at most `d` from now. When the time is over, the
/// body is cancelled; once it has ended by that, timeout_error is thrown. A body that swallows the cancellation keeps its result;
/// one that throws something else keeps that. A cancellation from outside always goes through. Callable and arguments live
/// until the end, so nothing need be captured. Mirrors `async with asyncio.timeout(d)`.
template <class Representation, class Period, class F, class... Arguments>
    requires detail::timed_function<F, Arguments...>
auto timeout(std::chrono::duration<Representation, Period> d, F f, Arguments... arguments) {
    return run_with_deadline<typename detail::timed_body<F, Arguments...>::result>(
        detail::deadline_after(detail::to_duration(d)), std::move(f), std::move(arguments)...);
}

/// The same around one awaitable: `co_await timeout(1s, to_cpu(f))`. A task runs inside the current one. With no time left it is awaited all the
/// same, and cancelled where it first suspends; wait_for() does not start it.
template <class Representation, class Period, joinable T>
auto timeout(std::chrono::duration<Representation, Period> d, T awaited) {
    return run_with_deadline<result_of<T>>(detail::deadline_after(detail::to_duration(d)), detail::identity(),
                                           detail::to_task(std::move(awaited)));
}

/// The same until a point on the runtime's clock; without one, until reschedule() gives one. Mirrors asyncio.timeout_at().
template <class F, class... Arguments>
    requires detail::timed_function<F, Arguments...>
auto timeout_at(std::optional<time_point> deadline, F f, Arguments... arguments) {
    return run_with_deadline<typename detail::timed_body<F, Arguments...>::result>(deadline, std::move(f),
                                                                                   std::move(arguments)...);
}

/// `co_await wait_for(f(), 3s)`: a task, a handle or a gather, for at most `d`. A task runs inside the current one; with no time left it
/// is not started at all. When the time is over, it is cancelled and awaited before timeout_error is thrown.
/// Mirrors asyncio.wait_for().
template <joinable T, class Representation, class Period>
task<result_of<T>> wait_for(T awaited, std::chrono::duration<Representation, Period> d) {
    duration const limit = detail::to_duration(d);
    if constexpr (!detail::is_handle<T>) {
        if (limit <= duration::zero()) {
            if constexpr (detail::is_task<T>)
                detail::discard(awaited);
            return run_with_deadline<result_of<T>>(time_point::min(), detail::refuse_to_start<result_of<T>>);
        }
    }
    return run_with_deadline<result_of<T>>(detail::deadline_after(limit), detail::identity(),
                                           detail::to_task(std::move(awaited)));
}

} // namespace aya::inline v1
