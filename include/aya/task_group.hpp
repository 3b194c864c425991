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

namespace aya::inline v1 {

/// The children of one with_task_group() block. Mirrors asyncio.TaskGroup.
class task_group {
public:
    task_group(task_group const&) = delete;
    task_group& operator=(task_group const&) = delete;

    /// Schedules a child. From the body, from children, from any task of the runtime. Throws invalid_state_error when the group shuts
    /// down or has ended, or when `t` is empty; `t` is dropped then.
    template <class T>
    task_handle<T> create_task(task<T> t, create_task_options options = {}) {
        if (!t) [[unlikely]]
            detail::throw_invalid_state("aya::task_group::create_task: the task is empty or was awaited already");
        detail::placement there;
        member* reserved = nullptr;
        detail::typed_state<T>* state = nullptr;
        try {
            if (options.executor)
                there = detail::place_on(parent_->home(), *options.executor);
            reserved = &begin_create();
            state = detail::make_state(there.empty() ? parent_->home() : there.home(), t);
        } catch (...) {
            if (reserved != nullptr)
                abandon_create(*reserved);
            detail::discard(t);
            throw;
        }
        member& place = *reserved;
        task_handle<T> handle = detail::handle_access::adopt(*state);
        if (!options.name.empty()) [[unlikely]]
            state->name_if_possible(options.name);
        if (options.context != nullptr) [[unlikely]]
            detail::run_in_context(*state, *options.context);
        if (options.eager_start && state->start_eagerly()) {
            adopt_started(place, *state);
            return handle;
        }
        adopt(place, *state);
        state->home().fork_child(*state);
        return handle;
    }
    template <detail::operation Operation>
    task_handle<typename Operation::operation_result> create_task(Operation o, create_task_options options = {}) {
        return create_task(detail::run_operation(std::move(o)), options);
    }
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

    /// Cancels the children and the body; the block then ends without an exception of the group's. A body with a result that is
    /// cut short has none: with_task_group() throws cancelled_error then. Has no effect on a group that shuts down or has ended. Any
    /// thread. Mirrors TaskGroup.cancel() of Python 3.15.
    void cancel() noexcept;

private:
    template <class Result, class F, class... Arguments>
    friend task<Result> run_task_group(F f, Arguments... arguments);

    struct member;
    class exit_awaiter;

    /// A place in a circular list; alone, it is its own neighbour.
    struct link {
        link() = default;
        link(link const&) = delete;
        link& operator=(link const&) = delete;

        [[nodiscard]] bool alone() const noexcept { return next == this; }
        void move_before(link& position) noexcept;

        link* next = this;
        link* previous = this;
    };

    task_group();
    ~task_group();

    [[nodiscard]] member& begin_create();
    void abandon_create(member& place) noexcept;
    void adopt(member& place, detail::task_state& child) noexcept;
    void adopt_started(member& place, detail::task_state& child) noexcept;
    static void child_ended(detail::completion& c, detail::task_state& child) noexcept;
    [[nodiscard]] bool begin_abort() noexcept;
    void cancel_children() noexcept;
    void count_end(member* ended) noexcept;
    [[nodiscard]] bool end_if_empty() noexcept;
    [[nodiscard]] std::vector<std::exception_ptr> errors() const;
    /// Waits for the children, then throws what the block throws.
    task<> exit();

    detail::task_state* parent_;
    std::exception_ptr body_error_; // the body's exception, or null; set before exit() runs
    detail::spin_lock mutex_;       // guards all below
    link running_;                  // members, oldest first
    link doomed_;                   // those of them that the abort has still to cancel
    link failed_;                   // members whose child threw, in the order of their ends
    std::size_t children_ = 0;      // with those being created
    detail::task_state* exiting_parent_ = nullptr; // suspended in exit(), its wake-up not claimed
    bool aborting_ = false;
    bool parent_cancelled_ = false; // by this group
    bool ended_ = false;
};

template <class Result, class F, class... Arguments>
task<Result> run_task_group(F f, Arguments... arguments) {
    task_group group;
    task<> exit = group.exit(); // its frame is there before any child is: the way out needs no memory
    detail::slot<Result> result;
    try {
        if constexpr (std::is_void_v<Result>)
            co_await f(group, std::move(arguments)...);
        else
            result.emplace(co_await f(group, std::move(arguments)...));
    } catch (...) {
        group.body_error_ = std::current_exception();
    }
    co_await std::move(exit);
    if constexpr (!std::is_void_v<Result>)
        if (group.body_error_)
            std::rethrow_exception(group.body_error_); // the group's own cancellation
    co_return result.take();
}

/// Runs `f(group, args...)` inside the current task, then waits for every child of the group, and gives the body's result. When a child
/// or the body throws, the other children and the body are cancelled, and all exceptions are thrown as one exception_group once
/// every child has ended; a fatal_error is thrown alone. A cancelled child is no failure. A cancellation from outside cancels the children, waits for them, and goes
/// on. The callable and its arguments live until the end. Mirrors `async with asyncio.TaskGroup()`.
template <class F, class... Arguments>
    requires detail::coroutine_function<F, task_group&, Arguments...>
auto with_task_group(F f, Arguments... arguments) {
    return run_task_group<detail::task_result<F, task_group&, Arguments...>>(std::move(f), std::move(arguments)...);
}

} // namespace aya::inline v1
