// SPDX-License-Identifier: Apache-2.0
// wait(): watches scheduled tasks until some or all are done.
#pragma once

#include <aya/detail/single_use.hpp>
#include <aya/gather.hpp>
#include <aya/sleep.hpp>

#include <optional>
#include <utility>
#include <vector>

namespace aya::inline v1 {

/// When wait() returns.
enum class return_when {
    all_completed,
    first_completed, ///< as soon as one is done, in whatever way
    first_exception  ///< as soon as one has thrown; a cancelled one does not count
};
using enum return_when;

/// Trivially destructible, so it may be written in an awaited call.
struct wait_options {
    aya::return_when return_when = all_completed;
    /// Return by then in any case. Late tasks are left alone.
    std::optional<duration> timeout = std::nullopt;
};

/// What wait() gives: together, the distinct tasks that it was given.
template <class T>
struct wait_result {
    wait_result() = default;
    wait_result(std::vector<task_handle<T>> d, std::vector<task_handle<T>> p)
        : done(std::move(d)), pending(std::move(p)) {}

    std::vector<task_handle<T>> done;
    std::vector<task_handle<T>> pending;
};

namespace detail {

/// The indices of the elements that do not occur before, in order.
[[nodiscard]] std::vector<std::size_t> first_occurrences(std::vector<task_state const*> const& states);

template <class T>
class [[nodiscard]] wait_operation final {
public:
    using operation_result = wait_result<T>;

    wait_operation(std::vector<task_handle<T>>&& tasks, wait_options options) : tasks_(std::move(tasks)), options_(options) {
        if (tasks_.empty())
            throw_invalid_argument("aya::wait: there is no task to wait for");
        remove_duplicates();
        if (options_.timeout)
            deadline_ = deadline_after(*options_.timeout);
    }

    bool await_ready() {
        if (!use_.spend()) [[unlikely]]
            throw_invalid_state("aya::wait: awaited after it was moved from or awaited already");
        return false;
    }
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) {
        h.promise().where = where;
        waiter_ = &*h.promise().task;
        for (auto const& t : tasks_)
            handle_access::require_within(waiter_->home(), t, "aya::wait");
        block_ = fan_in_pointer(fan_in::create(tasks_.size(), rule()));
        for (auto const& t : tasks_)
            block_->watch(state_reference::share(*handle_access::checked(t)));
        return block_->suspend(*waiter_, h, deadline_);
    }
    wait_result<T> await_resume() {
        block_->finish_wait();
        wait_result<T> result;
        for (auto& t : tasks_)
            (t.done() ? result.done : result.pending).push_back(std::move(t));
        return result;
    }

private:
    fan_in_rule rule() const noexcept {
        switch (options_.return_when) {
        case first_completed:
            return fan_in_rule::wait_first;
        case first_exception:
            return fan_in_rule::wait_exception;
        case all_completed:
            break;
        }
        return fan_in_rule::wait_all;
    }
    void remove_duplicates() {
        std::vector<task_state const*> states;
        states.reserve(tasks_.size());
        for (auto const& t : tasks_)
            states.push_back(handle_access::checked(t));
        std::vector<std::size_t> const distinct = first_occurrences(states);
        if (distinct.size() == tasks_.size())
            return;
        std::vector<task_handle<T>> kept;
        kept.reserve(distinct.size());
        for (std::size_t const i : distinct)
            kept.push_back(std::move(tasks_[i]));
        tasks_ = std::move(kept);
    }

    std::vector<task_handle<T>> tasks_;
    wait_options options_;
    std::optional<time_point> deadline_;
    fan_in_pointer block_;
    task_state* waiter_ = nullptr;
    single_use use_;
};

} // namespace detail

/// Waits until the tasks are done, or as `options` say, and tells which are. Never throws a task's exception, never cancels one;
/// cancelling the wait leaves the tasks alone. Throws std::invalid_argument when there are none. Mirrors asyncio.wait().
template <class T>
auto wait(std::vector<task_handle<T>> tasks, wait_options options = {}) {
    return detail::wait_operation<T>(std::move(tasks), options);
}
/// The same for futures; what it gives are handles that are equal to them.
template <class Future>
    requires detail::is_handle<Future>
auto wait(std::vector<Future> futures, wait_options options = {}) {
    using handle = task_handle<result_of<Future>>;
    std::vector<handle> handles;
    handles.reserve(futures.size());
    for (Future const& f : futures)
        handles.push_back(detail::handle_access::share_as<handle>(*detail::handle_access::checked(f)));
    return wait(std::move(handles), options);
}

} // namespace aya::inline v1
