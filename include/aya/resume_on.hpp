// SPDX-License-Identifier: Apache-2.0
// resume_on(): the running task moves to another executor.
#pragma once

#include <aya/detail/promise.hpp>
#include <aya/detail/task_state.hpp>
#include <aya/executor.hpp>

#include <coroutine>
#include <memory>
#include <source_location>
#include <utility>

namespace aya::inline v1 {

namespace detail {

class [[nodiscard]] resume_on_awaiter final : public suspension {
public:
    using operation_result = void;

    explicit resume_on_awaiter(std::shared_ptr<executor_base> e) noexcept : executor_(std::move(e)) {}

    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) {
        h.promise().where = where;
        return suspend(*h.promise().task, h);
    }
    void await_resume();

private:
    verdict request_cancel(cancel_walk&) noexcept override { return verdict::too_late; }
    void describe(wait_description& d) const noexcept override { d.what = "resume_on"; }
    bool suspend(task_state& task, std::coroutine_handle<> h);

    std::shared_ptr<executor_base> executor_;
    task_state* task_ = nullptr; // once it is suspended
    scheduler* target_ = nullptr;
};

} // namespace detail

/// `co_await resume_on(e)`: the task goes on on `e`, and stays there; with the executor that it came from (this_executor()) it goes back. Does not
/// suspend when it is there already. A cancellation that is pending is thrown there. Throws broken_executor, where it was, when `e` refuses
/// the task. Frames that the task has open move with it. Cost: what the executor's hand-over costs. Mirrors nothing in asyncio, where a
/// task cannot leave its loop.
[[nodiscard]] inline detail::resume_on_awaiter resume_on(any_executor const& e) noexcept {
    return detail::resume_on_awaiter(detail::executor_access::base(e));
}

} // namespace aya::inline v1
