// SPDX-License-Identifier: Apache-2.0
// task_group: tasks that end before the block that started them does.
#pragma once

#include <aya/detail/awaitable.hpp>
#include <aya/detail/spin_lock.hpp>
#include <aya/exception_group.hpp>

#include <coroutine>
#include <cstddef>
#include <exception>
#include <type_traits>
#include <utility>
#include <vector>

namespace aya {

/// The children of one with_task_group() block. Mirrors asyncio.TaskGroup.
class task_group {
public:
    task_group(task_group const&) = delete;
    task_group& operator=(task_group const&) = delete;

    /// Schedules a child. From the body, from children, from any task of the runtime. Throws invalid_state_error when the group shuts
    /// down or has ended; `t` is dropped then.
    template <class T>
    task_handle<T> create_task(task<T> t, create_task_options options = {}) {
        detail::scheduler& home = begin_create();
        try {
            auto* const state = detail::make_state(home, t);
            task_handle<T> handle = detail::handle_access::adopt(*state);
            state->name_if_possible(options.name);
            adopt(*state);
            home.schedule(*state);
            return handle;
        } catch (...) {
            abandon_create();
            throw;
        }
    }
    template <class F, class... Arguments>
        requires detail::coroutine_function<F, Arguments...>
    auto create_task(F f, Arguments... arguments) {
        return create_task(detail::invoke_stored(std::move(f), std::move(arguments)...));
    }

private:
    template <class Result, class F, class... Arguments>
    friend task<Result> run_task_group(F f, Arguments... arguments);

    struct member;
    class exit_awaiter;

    task_group();
    ~task_group();

    detail::scheduler& begin_create();
    void abandon_create() noexcept;
    void adopt(detail::task_state& child);
    static void child_ended(detail::completion& c, detail::task_state& child) noexcept;
    [[nodiscard]] std::vector<detail::state_reference> begin_abort(member const* except);
    void add_error(std::exception_ptr const& error);
    void abort();
    [[nodiscard]] bool end_if_empty() noexcept;
    /// Waits for the children, then throws what the block throws. `body_error` is the body's exception, or null.
    task<> exit(std::exception_ptr body_error);

    detail::task_state* parent_;
    detail::spin_lock mutex_; // guards all below
    member* members_ = nullptr;
    std::size_t children_ = 0; // with those being created
    detail::task_state* exiting_parent_ = nullptr; // suspended in exit(), its wake-up not claimed
    std::vector<std::exception_ptr> errors_;
    bool aborting_ = false;
    bool parent_cancelled_ = false; // by this group
    bool exiting_ = false;
    bool ended_ = false;
};

template <class Result, class F, class... Arguments>
task<Result> run_task_group(F f, Arguments... arguments) {
    task_group group;
    std::exception_ptr error;
    detail::slot<Result> result;
    try {
        if constexpr (std::is_void_v<Result>)
            co_await f(group, std::move(arguments)...);
        else
            result.emplace(co_await f(group, std::move(arguments)...));
    } catch (...) {
        error = std::current_exception();
    }
    co_await group.exit(std::move(error));
    co_return result.take();
}

/// Runs `f(group, args...)` inside the current task, then waits for every child of the group, and gives the body's result. When a child
/// or the body throws, the other children and the body are cancelled, and all exceptions are thrown as one exception_group once
/// every child has ended. A cancelled child is no failure. A cancellation from outside cancels the children, waits for them, and goes
/// on. The callable and its arguments live until the end. Mirrors `async with asyncio.TaskGroup()`.
template <class F, class... Arguments>
    requires detail::coroutine_function<F, task_group&, Arguments...>
auto with_task_group(F f, Arguments... arguments) {
    return run_task_group<detail::task_result<F, task_group&, Arguments...>>(std::move(f), std::move(arguments)...);
}

} // namespace aya
