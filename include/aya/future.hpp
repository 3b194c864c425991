// SPDX-License-Identifier: Apache-2.0
// future<T> and promise<T>: a result that somebody sets by hand, from any thread.
#pragma once

#include <aya/detail/awaitable.hpp>
#include <aya/runtime.hpp>

#include <concepts>
#include <exception>
#include <string_view>
#include <type_traits>
#include <utility>

namespace aya::inline v1 {

/// A result that a promise<T> will set. Copyable; all copies name the same future. It is awaited like a task, any number of times and
/// by any number of tasks of its runtime, and goes wherever a task_handle goes: gather(), wait(), shield(), wait_for(), runtime::wait().
/// A task that is cancelled while it awaits the future cancels the future, and so everybody else who awaits it; shield()
/// prevents that. A failure that nobody asked for is reported when the last copy goes. Mirrors asyncio.Future.
/// Thread safety: as task_handle. Cost: one block of frame memory, and one of the heap. May outlive the runtime.
template <class T>
class future : public detail::handle_base {
public:
    using value_type = T;

    /// Empty: every use but assignment throws invalid_state_error.
    future() = default;

    /// The result once done, for as long as a copy lives. Throws what set_exception() was given, cancelled_error when it was cancelled,
    /// invalid_state_error while it is pending.
    decltype(auto) result() const { return static_cast<detail::typed_state<T>&>(checked_done()).get(); }

    /// `co_await f` gives T const&, any number of times; `co_await std::move(f)`, and `co_await p.get_future()`, give T, moved out: from then on,
    /// who asks for the result gets invalid_state_error, unless T is trivially copyable. Does not suspend when it is done.
    auto operator co_await() const& { return detail::handle_awaiter<T, false>(checked()); }
    auto operator co_await() && {
        detail::state_reference target = detail::state_reference::share(checked());
        state_ = {};
        return detail::handle_awaiter<T, true>(std::move(target));
    }

    // cancel() ends a future at once: there is no request to count or to take back.
    std::uint32_t uncancel() const = delete;
    std::uint32_t cancelling() const = delete;

    /// Calls `f(handle)` or `f()` once the future is done, as call_soon() does it: never from here, never from the thread that ends it, in the
    /// order of these calls; soon, if it is done already. Once the runtime is gone nothing is called. Mirrors Future.add_done_callback().
    template <detail::done_callback<future> F>
    callback_handle add_done_callback(F f) const {
        return detail::watch_end(*this, std::move(f));
    }
    /// True if the callback was added here and will not be called. False once the future is done, also if the call is still to come:
    /// callback_handle::cancel() stops that too. Mirrors Future.remove_done_callback().
    bool remove_done_callback(callback_handle const& c) const { return detail::unwatch_end(*this, c); }

private:
    friend detail::handle_access;
    friend class promise<T>;
    using handle_base::handle_base;
};

namespace detail {

/// The part of promise<T> that needs no T.
class setter {
public:
    /// True once the future was set or cancelled: then nobody waits for a result any more. Any thread.
    [[nodiscard]] bool done() const { return checked().done(); }
    /// True once the future was cancelled, by this side or the other one.
    [[nodiscard]] bool cancelled() const { return done() && checked().how() == ending::cancelled; }

    /// Ends the future with an exception. Throws invalid_state_error when it is done or being set, std::invalid_argument for null.
    void set_exception(std::exception_ptr error) const {
        if (!try_set_exception(std::move(error)))
            throw_done();
    }
    /// The same, but false instead of invalid_state_error.
    bool try_set_exception(std::exception_ptr error) const;

    /// Ends the future as cancelled. False when it is done already.
    bool cancel(std::string_view message = {}) const { return checked().cancel(message); }

    /// False for a promise that was moved from.
    [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(state_); }

protected:
    explicit setter(state_reference s) noexcept : state_(std::move(s)) {}
    setter(setter&&) noexcept = default;
    setter& operator=(setter&& other) noexcept {
        if (this != &other) {
            abandon();
            state_ = std::move(other.state_);
        }
        return *this;
    }
    ~setter() { abandon(); }

    [[nodiscard]] task_state& checked() const;
    [[noreturn]] static void throw_done();

private:
    void abandon() noexcept;

    state_reference state_;
};

template <class T, class U>
concept result_for = !std::is_void_v<T> && (std::convertible_to<U&&, T> || std::constructible_from<T, U&&>);

template <class T>
inline constexpr bool is_handle<future<T>> = true;
template <class T>
struct joinable_result<future<T>> {
    using type = T;
};

template <class T>
task_handle<T> to_handle(scheduler&, future<T> const& f) {
    return handle_access::adopt(static_cast<typed_state<T>&>(*handle_access::share_raw(f)));
}
template <class T>
task<T> to_task(future<T> f) {
    co_return co_await f;
}

} // namespace detail

/// The setting side of a future: sets it once, from any thread, also one that no runtime knows, and when the runtime is gone. Move-only. When it
/// goes without having set the future, that ends with broken_promise. Mirrors the setting methods of asyncio.Future.
/// Thread safety: everything but moving and destroying, from any threads at once; of several who set, one wins. The object itself may be
/// destroyed as soon as the future is done.
template <class T>
class [[nodiscard]] promise : public detail::setter {
public:
    /// For the runtime of the calling thread; throws invalid_state_error outside one. Mirrors loop.create_future().
    promise() : promise(detail::this_scheduler("aya::promise")) {}
    explicit promise(runtime& r) : promise(detail::runtime_access::tasks(r)) {}

    /// The future, any number of times.
    [[nodiscard]] future<T> get_future() const { return future<T>(detail::state_reference::share(checked())); }

    /// Ends the future with a result. Throws invalid_state_error when it is done or being set, and what the construction of T throws: the
    /// future is pending then.
    template <class U = T>
        requires detail::result_for<T, U>
    void set_value(U&& value) const {
        if (!try_set_value(std::forward<U>(value)))
            throw_done();
    }
    void set_value() const
        requires std::is_void_v<T>
    {
        if (!try_set_value())
            throw_done();
    }

    /// The same, but false instead of invalid_state_error.
    template <class U = T>
        requires detail::result_for<T, U>
    bool try_set_value(U&& value) const {
        auto const keep = detail::state_reference::share(checked()); // this promise may go as soon as the future is done
        return keep->claim_result() && static_cast<detail::typed_state<T>&>(*keep).set(std::forward<U>(value));
    }
    bool try_set_value() const
        requires std::is_void_v<T>
    {
        auto const keep = detail::state_reference::share(checked());
        return keep->claim_result() && static_cast<detail::typed_state<T>&>(*keep).set();
    }

private:
    // Made with two references: this side's, and one that nobody needs yet.
    explicit promise(detail::scheduler& home)
        : setter(detail::state_reference::adopt(*new detail::typed_state<T>(home))) {
        checked().release();
    }
};

} // namespace aya::inline v1
