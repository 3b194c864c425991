// SPDX-License-Identifier: Apache-2.0
// What the combinators accept: tasks, handles, and other combinators.
#pragma once

#include <aya/task.hpp>
#include <aya/task_handle.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace aya::inline v1 {

namespace detail {

template <class>
inline constexpr bool is_handle = false;
template <class T>
inline constexpr bool is_handle<task_handle<T>> = true;

/// Awaiting it only waits for what runs already; see wait_for().
template <class T>
inline constexpr bool starts_nothing = is_handle<T>;

/// gather(...), q.get(), sleep(1s) and their like: awaitable at once, and convertible to a task for those who want to schedule it.
template <class T>
concept operation = requires { typename T::operation_result; };

template <operation Operation>
task<typename Operation::operation_result> run_operation(Operation o) {
    co_return co_await std::move(o);
}

template <class T>
task<T> to_task(task<T> t) {
    return t;
}
template <operation Operation>
task<typename Operation::operation_result> to_task(Operation&& o) {
    return run_operation(std::move(o));
}
template <class T>
task<T> to_task(task_handle<T> h) {
    co_return co_await h;
}

template <class T>
task_handle<T> to_handle(scheduler& home, task<T>&& t) {
    return spawn(home, std::move(t));
}
template <class T>
task_handle<T> to_handle(scheduler&, task_handle<T> h) {
    return h;
}
template <operation Operation>
task_handle<typename Operation::operation_result> to_handle(scheduler& home, Operation&& o) {
    return spawn(home, run_operation(std::move(o)));
}

template <class T>
struct joinable_result;
template <class T>
struct joinable_result<task<T>> {
    using type = T;
};
template <class T>
struct joinable_result<task_handle<T>> {
    using type = T;
};
template <operation T>
struct joinable_result<T> {
    using type = typename T::operation_result;
};

} // namespace detail

/// A task, a task_handle, or what gather(), queue::get(), sleep() and so on return: what gather(), wait_for() and the like can wait for.
template <class T>
concept joinable = detail::is_task<std::remove_cvref_t<T>> || detail::is_handle<std::remove_cvref_t<T>> ||
                   detail::operation<std::remove_cvref_t<T>>;

/// What waiting for T gives.
template <joinable T>
using result_of = typename detail::joinable_result<std::remove_cvref_t<T>>::type;

/// create_task(gather(...)), create_task(q.get()).
template <detail::operation Operation>
task_handle<typename Operation::operation_result> create_task(Operation o, create_task_options options = {}) {
    return create_task(detail::run_operation(std::move(o)), options);
}

} // namespace aya::inline v1
