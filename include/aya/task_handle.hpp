// SPDX-License-Identifier: Apache-2.0
// task_handle<T>: a reference to a scheduled task; create_task() and current_task().
#pragma once

#include <aya/callback_handle.hpp>
#include <aya/create_task_options.hpp>
#include <aya/detail/callable.hpp>
#include <aya/detail/join.hpp>
#include <aya/detail/placement.hpp>
#include <aya/detail/promise.hpp>
#include <aya/errors.hpp>
#include <aya/task.hpp>

#include <concepts>
#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace aya::inline v1 {

namespace detail {

/// Awaits a task's end; a cancel request of the awaiting task goes on to the awaited one. Moves the result out if Take.
template <class T, bool Take>
class [[nodiscard]] handle_awaiter final : public join_awaiter {
public:
    using join_awaiter::join_awaiter;

    using result = std::conditional_t<Take, T, decltype(std::declval<typed_state<T>&>().get())>;
    result await_resume() {
        finish_wait();
        if constexpr (Take)
            return static_cast<typed_state<T>&>(target()).take();
        else
            return static_cast<typed_state<T>&>(target()).get();
    }
};

[[noreturn]] void throw_other_runtime(char const* what);
/// Whether a task of `home` may wait for `t`, which has another scheduler.
[[nodiscard]] bool same_runtime(scheduler const& home, task_state const& t) noexcept;

/// What is the same for every result type.
class handle_base {
public:
    /// True when the task ended: it returned, threw, or was cancelled. Never goes back to false.
    [[nodiscard]] bool done() const noexcept { return state_ && state_->done(); }
    /// True when the task ended by cancellation.
    [[nodiscard]] bool cancelled() const noexcept { return done() && state_->how() == ending::cancelled; }

    /// Asks the task to stop: cancelled_error is thrown at its current suspension, or at its next one if it runs. What it awaits is
    /// cancelled first. False when the task is done already, or ends before the request reaches it. Only a request: the task may clean up, or
    /// ignore it.
    /// Any thread. Mirrors Task.cancel().
    bool cancel(std::string_view message = {}) const { return checked().cancel(message); }
    /// Takes one request back and returns how many are left; the last one withdraws a cancellation that was not delivered yet.
    std::uint32_t uncancel() const { return checked().uncancel(); }
    /// The number of cancel() calls less that of uncancel() calls.
    [[nodiscard]] std::uint32_t cancelling() const { return checked().cancelling(); }

    /// The exception of a done task, null when it returned. Throws invalid_state_error while it runs, cancelled_error when it was cancelled.
    [[nodiscard]] std::exception_ptr exception() const;

    [[nodiscard]] std::string name() const { return checked().name(); }
    void set_name(std::string_view name) const { checked().set_name(name); }

    /// False for an empty or moved-from handle.
    [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(state_); }
    /// Two handles are equal when they name the same task.
    friend bool operator==(handle_base const& a, handle_base const& b) noexcept {
        return a.state_.get() == b.state_.get();
    }

protected:
    handle_base() = default;
    explicit handle_base(state_reference s) noexcept : state_(std::move(s)) {}

    [[nodiscard]] task_state& checked() const {
        if (!state_) [[unlikely]]
            throw_invalid_state("aya::task_handle: empty");
        return *state_;
    }
    [[nodiscard]] task_state& checked_done() const;

    friend struct handle_access;
    state_reference state_;
};

struct handle_access {
    static state_reference const& state(handle_base const& h) noexcept { return h.state_; }
    static task_state* checked(handle_base const& h) { return &h.checked(); }
    static state_reference share(handle_base const& h) { return state_reference::share(h.checked()); }
    /// Throws std::invalid_argument for a task of another runtime; `what` begins the message.
    static void require_within(scheduler const& home, handle_base const& h, char const* what) {
        if (&h.checked().home() != &home && !same_runtime(home, h.checked())) [[unlikely]]
            throw_other_runtime(what);
    }
    /// With a reference that the caller owns.
    static task_state* share_raw(handle_base const& h) {
        h.checked().add_reference();
        return &h.checked();
    }
    template <class Handle>
    static Handle share_as(task_state& s) {
        return Handle(state_reference::share(s));
    }
    template <class T>
    static task_handle<T> adopt(typed_state<T>& s) {
        return task_handle<T>(state_reference::adopt(s));
    }
};

template <class F, class Handle>
concept done_callback = std::invocable<F&, Handle const&> || std::invocable<F&>;

template <class Handle, done_callback<Handle> F>
callback_handle watch_end(Handle const& h, F f) {
    auto call = [f = std::move(f)](task_state* ended) mutable {
        if constexpr (std::invocable<F&, Handle const&>)
            static_cast<void>(f(handle_access::share_as<Handle>(*ended)));
        else
            static_cast<void>(f());
    };
    return make_callback<callback_handle>(std::move(call),
                                          [&](callback& c) { watch_callback(*handle_access::checked(h), c); });
}

inline bool unwatch_end(handle_base const& h, callback_handle const& c) {
    callback* const watch = callback_access::get(c);
    return watch != nullptr && watch->stop_watching(*handle_access::checked(h));
}

} // namespace detail

/// A reference to a task that was scheduled. Copyable; all copies name the same task. Dropping every handle detaches the task:
/// it runs on, and an exception that nobody asked for is reported. Mirrors asyncio.Task.
/// Thread safety: different handles of one task may be used from any thread at once; one handle object, from one thread at a time.
template <class T>
class task_handle : public detail::handle_base {
public:
    using value_type = T;

    task_handle() = default;

    /// The result of a done task, for as long as a handle lives. Throws the task's exception, cancelled_error when it was cancelled,
    /// invalid_state_error while it is not done.
    decltype(auto) result() const { return static_cast<detail::typed_state<T>&>(checked_done()).get(); }

    /// `co_await h` waits for the end and gives T const&, any number of times, from any number of tasks; the awaiting task's
    /// cancellation cancels this task too (use shield() against that). `co_await std::move(h)` gives T, moved out: from then on, who asks
    /// other handles of the task for the result gets invalid_state_error, unless T is trivially copyable.
    auto operator co_await() const& { return detail::handle_awaiter<T, false>(checked()); }
    auto operator co_await() && {
        detail::state_reference target = detail::state_reference::share(checked());
        state_ = {};
        return detail::handle_awaiter<T, true>(std::move(target));
    }

    /// Calls `f(handle)` or `f()` once the task is done, as call_soon() does it: never from here, never from the thread that ends it, in the
    /// order of these calls; soon, if it is done already. The runtime must exist still. Mirrors Task.add_done_callback().
    template <detail::done_callback<task_handle> F>
    callback_handle add_done_callback(F f) const {
        return detail::watch_end(*this, std::move(f));
    }
    /// True if the callback was added here and will not be called. False once the task is done, also if the call is still to come:
    /// callback_handle::cancel() stops that too. Mirrors Task.remove_done_callback().
    bool remove_done_callback(callback_handle const& c) const { return detail::unwatch_end(*this, c); }

private:
    friend detail::handle_access;
    using handle_base::handle_base;
};

namespace detail {

/// For a new task.
void run_in_context(task_state& t, context const& c) noexcept;

/// Moves the result of a done task out, or throws its exception.
template <class T>
T take_result(task_handle<T> const& h) {
    return static_cast<typed_state<T>&>(*handle_access::checked(h)).take();
}

/// Makes the state of a task that is about to be scheduled; it owns the coroutine from then on.
template <class T>
typed_state<T>* make_state(scheduler& home, task<T>& t,
                           task_state::visibility v = task_state::visibility::registered) {
    auto* const state = new typed_state<T>(home, task_access::frame(t), v);
    task_access::release(t);
    return state;
}

/// For tasks of the runtime of `home` that run on `e`.
[[nodiscard]] placement place_on(scheduler& home, any_executor const& e);

/// Makes a task of `t` that is to be scheduled on `home`, or where the options say.
template <class T>
task_handle<T> prepare(scheduler& home, task<T>&& t, create_task_options options) {
    if (!t) [[unlikely]]
        throw_invalid_state("aya::create_task: the task is empty or was awaited already");
    if (options.executor) [[unlikely]] {
        placement const place = place_on(home, *options.executor);
        options.executor = {};
        return prepare(place.home(), std::move(t), options);
    }
    auto* const state = make_state(home, t);
    task_handle<T> handle = handle_access::adopt(*state);
    if (!options.name.empty()) [[unlikely]]
        state->name_if_possible(options.name);
    if (options.context != nullptr) [[unlikely]]
        run_in_context(*state, *options.context);
    return handle;
}

/// Schedules `t` on `home`, or where the options say.
template <class T>
task_handle<T> spawn(scheduler& home, task<T>&& t, create_task_options options = {}) {
    task_handle<T> handle = prepare(home, std::move(t), options);
    task_state& state = *handle_access::state(handle);
    if (!options.eager_start || !state.start_eagerly())
        state.home().schedule(state);
    return handle;
}

} // namespace detail

/// Schedules `t` to run concurrently with the caller, and returns a handle to it. It does not start before this returns to a worker
/// loop, or starts on another worker. Dropping the handle neither stops nor loses the task. Throws invalid_state_error outside a
/// runtime. Cost: one block of frame memory beside the frame. Mirrors asyncio.create_task().
template <class T>
task_handle<T> create_task(task<T> t, create_task_options options = {}) {
    return detail::spawn(detail::this_scheduler("aya::create_task"), std::move(t), options);
}

/// The same for a coroutine function with its arguments: both are kept until it ends, so a lambda with captures is safe here.
template <class F, class... Arguments>
    requires detail::coroutine_function<F, Arguments...>
auto create_task(F f, Arguments... arguments) {
    return create_task(detail::invoke_stored(std::move(f), std::move(arguments)...));
}
template <class F, class... Arguments>
    requires detail::coroutine_function<F, Arguments...>
auto create_task(create_task_options options, F f, Arguments... arguments) {
    return create_task(detail::invoke_stored(std::move(f), std::move(arguments)...), options);
}

/// The running task, for cancel(), uncancel() and its name; its result is not reachable through this handle.
class any_task_handle : public detail::handle_base {
public:
    any_task_handle() = default;
    template <class T>
    any_task_handle(task_handle<T> const& h) noexcept : handle_base(detail::handle_access::state(h)) {}

private:
    friend any_task_handle current_task();
    friend std::vector<any_task_handle> all_tasks();
    using handle_base::handle_base;
};

/// A handle to the task that runs on this thread. Throws invalid_state_error outside a task. Mirrors asyncio.current_task().
[[nodiscard]] any_task_handle current_task();

/// Every task of this thread's runtime that is not done, in no order; except for what a gather made, as long as it waits. A snapshot: some
/// may be done by now. Throws invalid_state_error outside a runtime. Mirrors asyncio.all_tasks().
[[nodiscard]] std::vector<any_task_handle> all_tasks();

} // namespace aya::inline v1
