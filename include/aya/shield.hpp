// SPDX-License-Identifier: Apache-2.0
// shield(): waiting for a task without passing a cancellation on to it.
#pragma once

#include <aya/detail/awaitable.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace aya::inline v1 {

namespace detail {

template <class T>
class [[nodiscard]] shield_awaiter final : public join_awaiter {
public:
    explicit shield_awaiter(state_reference target) noexcept : join_awaiter(std::move(target), true) {}

    // A value, not a reference: this awaiter may hold the last reference to the task's state.
    T await_resume() {
        finish_wait();
        auto& state = static_cast<typed_state<T>&>(target());
        if constexpr (std::is_void_v<T> || !std::copy_constructible<T>)
            return state.take();
        else
            return T(state.get());
    }
};

template <class T>
class [[nodiscard]] shield_operation final : public handle_base {
public:
    using operation_result = T;

    explicit shield_operation(task_handle<T> const& h) : handle_base(handle_access::state(h)) {}

    auto operator co_await() && { return shield_awaiter<T>(state_reference::share(checked())); }
};

template <class T>
inline constexpr bool starts_nothing<shield_operation<T>> = true; // its task runs since shield() was called

} // namespace detail

/// Waits for the task; if the waiting task is cancelled, the wait ends but the task goes on. A task<T> is scheduled at once.
/// If the inner task itself is cancelled, cancelled_error is thrown here too. Mirrors asyncio.shield().
/// Keep a handle to the task if its exception matters: once nobody waits for it, the exception is only reported.
template <joinable T>
auto shield(T inner) {
    using detail::to_handle;
    return detail::shield_operation<result_of<T>>(to_handle(detail::this_scheduler("aya::shield"), std::move(inner)));
}

} // namespace aya::inline v1
