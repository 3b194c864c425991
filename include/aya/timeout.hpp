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
#include <concepts>
#include <coroutine>
#include <memory>
#include <new>
#include <optional>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>

namespace aya::inline v1 {

namespace detail {

template <class Body>
class timeout_operation;

} // namespace detail

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
    template <class Body>
    friend class detail::timeout_operation;

    enum class state : unsigned char { active, expiring, expired, finished };
    struct scope_timer final : detail::timer {
        explicit scope_timer(timeout_scope& s) noexcept : timer(&fired), scope(&s) {}
        timeout_scope* scope;
    };

    /// `shown`: others than the operation around it know of it.
    timeout_scope(std::optional<time_point> deadline, bool shown);
    ~timeout_scope() { leave(); }

    static void fired(detail::timer& t) noexcept;
    void arm();
    bool disarm() noexcept;
    void expire();
    bool finish() noexcept;
    /// Ends the scope. True when a cancelled_error that is under way must become timeout_error.
    bool leave() noexcept;
    /// While a cancelled_error is handled: ends the scope, and throws on what the cancellation has become.
    [[noreturn]] void leave_cancelled();

    mutable detail::spin_lock mutex_;
    std::atomic<state> state_{state::active};
    std::atomic<bool> timer_busy_{false}; // from arming until the callback has returned, unless disarmed
    bool const shown_;
    bool left_ = false;
    bool converts_ = false;
    bool cancelled_before_ = false; // a cancellation was pending already when the scope began: that one is not the scope's
    std::uint32_t requests_before_ = 0;
    detail::task_state* task_;
    std::optional<time_point> deadline_;
    scope_timer timer_{*this};
};

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

/// What timeout() runs: a call, started inside the scope. Callable and arguments stay where they are until the end.
template <class F, class... Arguments>
class timed_call {
public:
    using result = typename timed_body<F, Arguments...>::result;
    using awaiter = task_awaiter<result>;
    static constexpr bool takes_scope = coroutine_function<F, timeout_scope&, Arguments...>;

    explicit timed_call(F&& f, Arguments&&... arguments) : f_(std::move(f)), arguments_(std::move(arguments)...) {}

    awaiter start(timeout_scope& scope) {
        return std::apply(
            [&](Arguments&... arguments) {
                if constexpr (takes_scope)
                    return f_(scope, std::move(arguments)...).operator co_await();
                else
                    return f_(std::move(arguments)...).operator co_await();
            },
            arguments_);
    }

private:
    F f_;
    std::tuple<Arguments...> arguments_;
};

template <joinable T>
auto start_waiting(T& awaited) {
    if constexpr (is_handle<T>) {
        using result = result_of<T>;
        if constexpr (std::is_void_v<result> || std::copy_constructible<result>)
            return awaited.operator co_await(); // its result stays with the task
        else
            return handle_awaiter<result, true>(handle_access::share(awaited));
    } else if constexpr (requires { std::move(awaited).operator co_await(); }) {
        return std::move(awaited).operator co_await();
    } else {
        return T(std::move(awaited));
    }
}

/// The same for one awaitable.
template <joinable T>
class timed_wait {
public:
    using result = result_of<T>;
    static constexpr bool takes_scope = false;

    explicit timed_wait(T&& awaited) : awaited_(std::move(awaited)) {}

    using awaiter = decltype(start_waiting(std::declval<T&>()));

    awaiter start(timeout_scope&) { return start_waiting(awaited_); }

private:
    T awaited_;
};

/// A scope around a body, both in the awaiting coroutine's frame. Before it is awaited it may be moved, and dropped.
template <class Body>
class [[nodiscard]] timeout_operation {
public:
    using operation_result = typename Body::result;

    /// Refused: there is no time left, and what is timed must not be started.
    timeout_operation(std::optional<time_point> deadline, Body&& body, bool refused = false)
        : body_(std::move(body)), deadline_(deadline), refused_(refused) {}
    timeout_operation(timeout_operation&& unawaited) noexcept(std::is_nothrow_move_constructible_v<Body>)
        : body_(std::move(unawaited.body_)), deadline_(unawaited.deadline_), refused_(unawaited.refused_),
          stage_(std::exchange(unawaited.stage_, stage::gone)) {}
    ~timeout_operation() {
        leave_body();
        if (stage_ == stage::entered)
            scope_.~timeout_scope();
    }

    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    transfer_result await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) {
        if (stage_ != stage::unawaited) [[unlikely]]
            throw_invalid_state("aya::timeout: awaited after it was moved from or awaited already");
        if (refused_)
            throw timeout_error();
        ::new (static_cast<void*>(&scope_)) timeout_scope(deadline_, Body::takes_scope);
        stage_ = stage::entered;
        try {
            ::new (static_cast<void*>(&awaiter_)) awaiter(body_.start(scope_));
            stage_ = stage::started;
            if (awaiter_.await_ready())
                return transfer(h);
            using verdict = decltype(awaiter_.await_suspend(h, where));
            if constexpr (std::is_same_v<verdict, bool>) {
                return awaiter_.await_suspend(h, where) ? transfer_nowhere() : transfer(h);
            } else if constexpr (std::is_same_v<verdict, transfer_result>) {
                return awaiter_.await_suspend(h, where);
            } else {
                awaiter_.await_suspend(h, where);
                return transfer_nowhere();
            }
        } catch (cancelled_error const&) {
            leave_body();
            scope_.leave_cancelled();
        }
    }
    operation_result await_resume() {
        struct leaving {
            ~leaving() {
                operation.leave_body();
                operation.scope_.leave();
            }
            timeout_operation& operation;
        };
        try {
            leaving const at_the_end{*this};
            return awaiter_.await_resume();
        } catch (cancelled_error const&) {
            scope_.leave_cancelled();
        }
    }

    /// For those who want to schedule it.
    operator task<operation_result>() && { return run_operation(std::move(*this)); }

private:
    using awaiter = typename Body::awaiter;
    enum class stage : unsigned char { unawaited, gone, entered, started };

    void leave_body() noexcept {
        if (stage_ != stage::started)
            return;
        awaiter_.awaiter::~awaiter(); // the very type: some have virtual functions, and others derive from them
        stage_ = stage::entered;
    }

    [[no_unique_address]] Body body_;
    std::optional<time_point> deadline_;
    bool refused_;
    stage stage_ = stage::unawaited;
    union {
        timeout_scope scope_; // from `entered` on
    };
    union {
        awaiter awaiter_; // while `started`
    };
};

/// The arguments of timeout(f, args...) and timeout_at() as one body.
template <class F, class... Arguments>
auto run_with_deadline(std::optional<time_point> deadline, F&& f, Arguments&&... arguments) {
    return timeout_operation(deadline, timed_call<F, Arguments...>(std::move(f), std::move(arguments)...));
}

} // namespace detail

/// Runs `f(args...)` or `f(scope, args...)` inside the current task, for at most `d` from now. When the time is over, the
/// body is cancelled; once it has ended by that, timeout_error is thrown. A body that swallows the cancellation keeps its result;
/// one that throws something else keeps that. A cancellation from outside always goes through. Callable and arguments live
/// until the end, so nothing need be captured. Mirrors `async with asyncio.timeout(d)`.
template <class Representation, class Period, class F, class... Arguments>
    requires detail::timed_function<F, Arguments...>
auto timeout(std::chrono::duration<Representation, Period> d, F f, Arguments... arguments) {
    return detail::run_with_deadline(detail::deadline_after(detail::to_duration(d, "aya::timeout: the duration")), std::move(f), std::move(arguments)...);
}

/// The same around one awaitable: `co_await timeout(1s, to_cpu(f))`. A task runs inside the current one. With no time left it is awaited all the
/// same, and cancelled where it first suspends; wait_for() does not start it.
template <class Representation, class Period, joinable T>
auto timeout(std::chrono::duration<Representation, Period> d, T awaited) {
    return detail::timeout_operation(detail::deadline_after(detail::to_duration(d, "aya::timeout: the duration")), detail::timed_wait<T>(std::move(awaited)));
}

/// The same until a point on the runtime's clock; without one, until reschedule() gives one. Mirrors asyncio.timeout_at().
template <class F, class... Arguments>
    requires detail::timed_function<F, Arguments...>
auto timeout_at(std::optional<time_point> deadline, F f, Arguments... arguments) {
    return detail::run_with_deadline(deadline, std::move(f), std::move(arguments)...);
}

/// `co_await wait_for(f(), 3s)`: a task, a handle or a gather, for at most `d`. A task runs inside the current one; with no time left it
/// is not started at all, while what runs already (a handle, a shield(), a gather() of handles) gives its result if it is done. When the time is over, it is cancelled and awaited before timeout_error is thrown.
/// Mirrors asyncio.wait_for().
template <joinable T, class Representation, class Period>
auto wait_for(T awaited, std::chrono::duration<Representation, Period> d) {
    duration const limit = detail::to_duration(d, "aya::wait_for: the duration");
    bool const refused = !detail::starts_nothing<T> && limit <= duration::zero();
    if constexpr (detail::is_task<T>)
        if (refused)
            detail::discard(awaited);
    return detail::timeout_operation(detail::deadline_after(limit), detail::timed_wait<T>(std::move(awaited)), refused);
}

} // namespace aya::inline v1
