// SPDX-License-Identifier: Apache-2.0
// Running a coroutine function whose callable and arguments must live as long as the coroutine does.
#pragma once

#include <aya/task.hpp>

#include <type_traits>
#include <utility>

namespace aya::inline v1::detail {

/// `F` called with `Arguments...` (each moved) gives a task.
template <class F, class... Arguments>
concept coroutine_function =
    !is_task<std::remove_cvref_t<F>> && is_task<std::remove_cvref_t<std::invoke_result_t<F&, Arguments...>>>;

template <class F, class... Arguments>
using task_result = typename std::invoke_result_t<F&, Arguments...>::value_type;

/// Keeps `f` in its own frame while the coroutine that it makes runs, so captures cannot dangle.
template <class F, class... Arguments>
task<task_result<F, Arguments...>> invoke_stored(F f, Arguments... arguments) {
    co_return co_await f(std::move(arguments)...);
}

/// A function pointer has no captures to keep, and by-value parameters are in the coroutine's own frame: that saves a frame.
template <class R, class... Parameters, class... Arguments>
    requires(!std::is_reference_v<Parameters> && ...)
task<R> invoke_stored(task<R> (*f)(Parameters...), Arguments... arguments) {
    return f(std::move(arguments)...);
}

} // namespace aya::inline v1::detail
