// SPDX-License-Identifier: Apache-2.0
// call_soon(), call_later(), call_at(): plain functions that the runtime calls.
#pragma once

#include <aya/callback_handle.hpp>
#include <aya/detail/scheduler.hpp>
#include <aya/runtime.hpp>
#include <aya/sleep.hpp>
#include <aya/time.hpp>

#include <chrono>
#include <concepts>
#include <type_traits>
#include <utility>

namespace aya::inline v1 {

namespace detail {

/// A function that may be called later: not one that makes a coroutine, which would never run.
template <class F, class... Arguments>
concept plain_function =
    std::invocable<F&, Arguments...> && !is_task<std::remove_cvref_t<std::invoke_result_t<F&, Arguments...>>>;

template <class F, class... Arguments>
auto bind_callback(F f, Arguments... arguments) {
    return [f = std::move(f), ... arguments = std::move(arguments)](task_state*) mutable {
        static_cast<void>(f(std::move(arguments)...));
    };
}

template <class F, class... Arguments>
callback_handle call_soon_in(scheduler& home, F f, Arguments... arguments) {
    return make_callback<callback_handle>(bind_callback(std::move(f), std::move(arguments)...),
                                          [&](callback& c) { post_callback(home, c); });
}

} // namespace detail

/// Calls `f(args...)` in a later step of this runtime, outside every task, behind what was ready before; never from here. Callbacks of a
/// runtime run one at a time, in the order of these calls, so one that takes long holds up the others: give long work to a task.
/// What `f` throws goes to the exception handler. Throws invalid_state_error outside a runtime and once it has shut down.
/// Callable and arguments are kept until the call. Cost: one block of frame memory, and a lock. Mirrors loop.call_soon().
template <class F, class... Arguments>
    requires detail::plain_function<F, Arguments...>
callback_handle call_soon(F f, Arguments... arguments) {
    return detail::call_soon_in(detail::this_scheduler("aya::call_soon"), std::move(f), std::move(arguments)...);
}

/// The same from any thread, and wakes a runtime that sleeps. Mirrors loop.call_soon_threadsafe().
template <class F, class... Arguments>
    requires detail::plain_function<F, Arguments...>
callback_handle call_soon_threadsafe(runtime& r, F f, Arguments... arguments) {
    return detail::call_soon_in(detail::runtime_access::tasks(r), std::move(f), std::move(arguments)...);
}

/// Calls `f(args...)` as call_soon() does, once the runtime's clock has reached `t`. Calls for the same time that one worker makes
/// run in the order of the calls. At the runtime's end, calls that are not due are dropped. Mirrors loop.call_at().
template <class F, class... Arguments>
    requires detail::plain_function<F, Arguments...>
timer_handle call_at(time_point t, F f, Arguments... arguments) {
    detail::scheduler& home = detail::this_scheduler("aya::call_at");
    return detail::make_callback<timer_handle>(detail::bind_callback(std::move(f), std::move(arguments)...),
                                               [&](detail::callback& c) { detail::arm_callback(home, c, t); });
}

/// The same after `d`; soon, when that is zero or less. Throws std::invalid_argument for NaN. Mirrors loop.call_later().
template <class Representation, class Period, class F, class... Arguments>
    requires detail::plain_function<F, Arguments...>
timer_handle call_later(std::chrono::duration<Representation, Period> d, F f, Arguments... arguments) {
    return call_at(detail::saturating_add(now(), detail::to_duration(d, "aya::call_later: the delay")), std::move(f), std::move(arguments)...);
}

} // namespace aya::inline v1
